// Sends a line and prints the answer: `node examples/echo-client.js [path] [text]`
import { connect } from 'udsock'

const [path = 'echo.sock', text = 'hello'] = process.argv.slice(2)
const socket = await connect(path, { timeout: 1000 })
socket.end(`${text}\n`)
for await (const chunk of socket) process.stdout.write(chunk)
