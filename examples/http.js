// A server of node:http at a path, and a client with an agent for it: `node examples/http.js [path]`
import { once } from 'node:events'
import http from 'node:http'
import { Agent, serve } from 'udsock/http'

const path = process.argv[2] ?? 'http.sock'
const server = http.createServer((request, response) => response.end(`you asked for ${request.url}\n`))
const served = await serve(server, path, { mode: 0o600 })

const agent = new Agent(path, { keepAlive: true })
const [response] = await once(http.get({ agent, path: '/answers' }), 'response')
for await (const chunk of response) process.stdout.write(chunk)

// The idle connection of the agent does not delay the end.
await served.close({ drain: true })
