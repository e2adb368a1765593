// A server that answers each request and, by its path, sends a second response or closes; then the file PATH.later gets a byte more.
// Its arguments are the path and, for TLS, key and certificate. Prints "up"; on a line of input the number of connections that were
// open at most.
import { appendFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'

const [path, key, cert] = process.argv.slice(2)
let [open, most] = [0, 0]
const isDone = () => appendFileSync(`${path}.later`, '.')
const response = body => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

function serve(socket) {
  open++
  most = Math.max(most, open)
  let waiting = ''
  socket.on('error', () => {}).on('close', () => open--)
  socket.on('data', chunk => {
    waiting += chunk.toString('latin1')
    for (;;) {
      const [head] = waiting.split('\r\n\r\n', 1)
      if (head.length === waiting.length) return
      const isChunked = /transfer-encoding: chunked/i.test(head)
      const end = isChunked ? waiting.indexOf('\r\n0\r\n\r\n') + 7 : head.length + 4
      if (end < head.length) return
      waiting = waiting.slice(end)
      answer(socket, head.split(' ')[1])
    }
  })
}

function answer(socket, url) {
  if (url === '/never') return
  const body = response(`answer to ${url}`)
  if (url === '/last') return socket.end(body.replace('Content', 'Connection: close\r\nContent'))
  socket.write(body)
  if (url === '/unasked-later') setTimeout(() => socket.write(response('unasked'), isDone), 50)
  if (url === '/close') setImmediate(() => socket.end(isDone))
  if (url === '/close-later') setTimeout(() => isDone(socket.destroy()), 5)
}

const server = key === undefined ? net.createServer(serve) : tls.createServer({ key, cert }, serve)
server.listen(path, () => console.log('up'))
process.stdin.on('data', () => console.log(most))
