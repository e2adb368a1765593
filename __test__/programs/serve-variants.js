// A server of node:http at a path, by its first argument: `inherited` serves the descriptor 3 until the first request, `throwing`
// throws for the first connection, and `unreferenced` does not keep the process alive. The second argument is the path.
import { createServer, get } from 'node:http'
import { serve } from '../../http.js'

const [variant, path] = process.argv.slice(2)

const variants = {
  async inherited() {
    const server = createServer((_, response) => {
      response.end(String(server.address()))
      void served.close()
    })
    const served = await serve(server, { fd: 3 })
  },
  async throwing() {
    process.on('uncaughtException', error => console.log(error.message))
    const server = createServer((_, response) => response.end('fine'))
    server.prependOnceListener('connection', socket => {
      socket.destroy()
      throw new Error('thrown')
    })
    await serve(server, path)
    get({ socketPath: path, agent: false }).on('error', error => {
      console.log(error instanceof Error)
      get({ socketPath: path, agent: false }, response => {
        console.log(response.statusCode)
        server.close()
      })
    })
  },
  async unreferenced() {
    const server = createServer()
    await serve(server, path)
    server.unref()
  },
}

await variants[variant]()
