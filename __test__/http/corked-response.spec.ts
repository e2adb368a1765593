// Responses that node:http corks, or that a handler's mistake interrupts: they are answered as over node:net.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { once } from '../helpers/sockets.js'
import { ourTakers, takers } from '../helpers/connection-takers.js'
import { isNode } from '../helpers/runtimes.js'

type Handler = (response: ServerResponse, request: IncomingMessage) => unknown

const attempt = (work: () => unknown): boolean => {
  try {
    work()
    return true
  } catch {
    return false
  }
}

const handlers: Record<string, Handler> = {
  'cork(), write(), end()': response => {
    response.cork()
    response.write('a')
    response.end('b')
  },
  'cork() twice, uncork() once, end()': response => {
    response.cork()
    response.cork()
    response.write('a')
    response.uncork()
    response.write('b')
    response.end('c')
  },
  'cork(), write(), uncork() in a later turn, end()': response => {
    response.cork()
    response.write('a')
    setImmediate(() => {
      response.write('b')
      response.uncork()
      response.end('c')
    })
  },
  'many writes in one turn': response => {
    for (let count = 0; count < 100; count++) response.write(`${count} `)
    response.end()
  },
  'large writes under a cork': response => {
    response.cork()
    for (const text of ['a', 'b', 'c']) response.write(text.repeat(300_000))
    response.end()
  },
  'flushHeaders(), then end() in a later turn': response => {
    response.flushHeaders()
    setImmediate(() => response.end('a'))
  },
  'writeHead() and end() with a callback': response => {
    response.writeHead(201, { 'content-length': 1 })
    response.end('a', () => {})
  },
}

/** Mistakes that Node's response refuses at once, and other runtimes' later or never. */
const mistakes: Record<string, Handler> = {
  'an end() that throws, then another answer': response => {
    if (attempt(() => response.end(5 as never))) return
    response.statusCode = 500
    response.end('failed')
  },
  'a write(), an end() that throws, end()': response => {
    response.write('a')
    attempt(() => response.end(['no'] as never))
    response.end('b')
  },
  'a write() that throws, then write() and end()': response => {
    attempt(() => response.write(5 as never))
    response.write('a')
    response.end('b')
  },
  'strictContentLength, broken and kept': response => {
    response.strictContentLength = true
    response.setHeader('content-length', 3)
    response.write('ab')
    attempt(() => response.end())
    attempt(() => response.write('too long'))
    attempt(() => response.end('too long'))
    response.end('c')
  },
}

const head = (connection: string): string => `GET / HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`

/** Sends two requests on one connection, the second behind the first's answer or at once: all that comes back. */
async function answers(path: string, isPipelined: boolean): Promise<string> {
  const client = net.connect(path).on('error', () => {})
  let text = ''
  client.setEncoding('latin1').on('data', chunk => {
    if (text === '' && !isPipelined) client.write(head('close'))
    text += chunk
  })
  client.write(head('keep-alive'))
  if (isPipelined) client.write(head('close'))
  await once(client, 'close')
  return text
}

async function exchange(t: ExecutionContext, name: string, handler: Handler): Promise<string[]> {
  const server = createServer((request, response) => {
    response.sendDate = false
    handler(response, request)
  })
  const path = await takers[name]!(t, socket => server.emit('connection', socket))
  return [await answers(path, false), await answers(path, true)]
}

for (const [what, handler] of Object.entries(isNode ? { ...handlers, ...mistakes } : handlers))
  for (const [name] of ourTakers)
    test(`${what} is answered as over node:net (${name})`, async t => {
      t.timeout(20_000)
      const ours = await exchange(t, name, handler)
      t.true(ours.every(text => text.startsWith('HTTP/1.1 ')))
      // Other runtimes keep no connection whose socket is not their own.
      if (isNode) t.deepEqual(ours, await exchange(t, 'node:net', handler))
    })
