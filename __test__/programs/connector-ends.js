// Connects to the path by undiciConnector, plainly and by TLS, and destroys both sockets. Prints an error, or null, and the time for
// each, and the time of the process's end.
import { undiciConnector } from '../../http.js'

const { signal } = new AbortController()
const connector = undiciConnector(process.argv[2], { tls: { rejectUnauthorized: false }, signal })
for (const protocol of ['http:', 'https:'])
  connector({ protocol, hostname: 'localhost' }, (error, socket) => {
    socket?.on('close', () => console.log(error, performance.now()))
    socket?.destroy()
  })
process.on('exit', () => console.log(performance.now()))
