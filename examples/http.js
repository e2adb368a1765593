// node:http, unchanged, over a Unix-domain socket on both sides: `node examples/http.js [path]`
import http from 'node:http'
import { rm } from 'node:fs/promises'
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'http.sock'
const server = http.createServer((request, response) => response.end(`you asked for ${request.url}\n`))
const listener = await listen(path, { backlog: 511 })
const accepting = (async () => {
  for await (const socket of listener) server.emit('connection', socket)
})()

const createConnection = (_options, callback) => {
  connect(path).then(socket => callback(null, socket), callback)
}
const response = await new Promise((resolve, reject) => {
  http.get({ path: '/answers', createConnection }, resolve).on('error', reject)
})
for await (const chunk of response) process.stdout.write(chunk)

await listener.close()
await accepting
server.closeAllConnections()
await rm(path)
