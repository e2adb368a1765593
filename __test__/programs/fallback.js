// Uses every entry of the package without its addon, with paths in the directory that the argument gives; prints the outcomes in JSON.
import { once } from 'node:events'
import http from 'node:http'
import nodeNet from 'node:net'
import { join } from 'node:path'

const warnings = []
process.on('warning', ({ code, message }) => code?.startsWith('UDSOCK') && warnings.push([code, message]))

const { connect, isSupported, listen } = await import('../../index.js')
const { default: net } = await import('../../net.js')
const { Agent, serve } = await import('../../http.js')
const path = join(process.argv[2], 's')
const codeOf = promise => promise.catch(error => error.code)

const server = net.createServer(socket => socket.pipe(socket)).listen(path)
await once(server, 'listening')
const client = net.connect(path)
client.end('echo')
const [echo] = await once(client, 'data')
await once(server.close(), 'close')

const web = http.createServer((_request, response) => response.end('served'))
const served = await serve(web, path, { backlog: 5 })
const agent = new Agent(path, { keepAlive: true })
const get = async () => {
  const [response] = await once(http.get('http://x/', { agent }), 'response')
  const text = (await response.toArray()).join('')
  return { text, reused: response.req.reusedSocket }
}
const { text } = await get()
await new Promise(setImmediate)
const { reused } = await get()
agent.destroy()
await served.close({ drain: true })

const codes = [
  await codeOf(connect(path)),
  await codeOf(listen(path)),
  await codeOf(serve(http.createServer(), path, { mode: 0o600 })),
]
const kept = reused && client instanceof nodeNet.Socket
console.log(JSON.stringify({ isSupported, warnings, echo: String(echo), response: text, kept, codes }))
