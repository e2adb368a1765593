// Uploads to servers that refuse them before they have read the body, and close: 401 and 413 arrive in every client.
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import axios from 'axios'
import got from 'got'
import * as undici from 'undici'
import { Agent, undiciConnector } from '../../http.js'
import { directory } from '../helpers/sockets.ts'
import { once } from './helpers.js'
import { needing, ServerProgram } from './servers.js'

const tries = Number(process.env.UDSOCK_EARLY_TRIES ?? 200)
const atOnce = 4

const programs = fileURLToPath(new URL('programs', import.meta.url))
const packages = fileURLToPath(new URL('../../target/python', import.meta.url))

/** The interpreter itself: a shim of pyenv's needs the user's home. */
const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).stdout?.trim()
/** A server from PyPI, where `npm run test:ecosystem` puts it. */
function installed(name) {
  const file = join(packages, name, 'bin', name)
  return existsSync(file) ? file : undefined
}

const gunicorn = installed('gunicorn')
const uwsgi = installed('uwsgi')
const app = join(programs, 'early_app.py')

/** What has to be there, and the command line of a server on `path`. */
const servers = {
  gunicorn: {
    needs: { python3: python || undefined, gunicorn },
    command: path => [
      gunicorn,
      '--bind',
      `unix:${path}`,
      '--chdir',
      programs,
      '--workers',
      '2',
      'early_app:app',
    ],
  },
  'gunicorn with threads': {
    needs: { python3: python || undefined, gunicorn },
    command: path => [
      gunicorn,
      '--bind',
      `unix:${path}`,
      '--chdir',
      programs,
      '--worker-class',
      'gthread',
      // With keep-alive, a request on a connection that the server then closes would fail, on node:net too.
      '--keep-alive',
      '0',
      '--threads',
      '4',
      'early_app:app',
    ],
  },
  uwsgi: {
    needs: { python3: python || undefined, uwsgi },
    command: path => [
      uwsgi,
      '--http-socket',
      path,
      '--wsgi-file',
      app,
      '--callable',
      'app',
      '--processes',
      '2',
      '--master',
      '--disable-logging',
    ],
  },
  'http.server': { needs: { python3: python || undefined }, command: path => [app, path] },
}

async function started(t, path, command) {
  const server = new ServerProgram('root')
  t.teardown(() => server.remove('SIGKILL'))
  const environment = [`PYTHONPATH=${dirname(dirname(command[0]))}`, 'PYTHONDONTWRITEBYTECODE=1']
  await server.start('env', [...environment, python, ...command], async () => {
    const socket = connect(path)
    const result = await Promise.race([once(socket, 'connect'), once(socket, 'error')])
    socket.destroy()
    return result === undefined
  })
}

const textOf = async stream => {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

/** Clients: what makes a `post(status, body)` for a path, whose answer is the status and the text. */
const clients = {
  'node:http, body at once': path => byNodeHttp(path, false),
  'node:http, body in pieces, keep-alive': path => byNodeHttp(path, true),
  fetch: path => {
    const dispatcher = new undici.Agent({ connect: undiciConnector(path) })
    const post = async (status, body) => {
      const answer = await undici.fetch(`http://x/${status}`, { method: 'POST', body, dispatcher })
      return [answer.status, await answer.text()]
    }
    return { post, close: () => dispatcher.destroy() }
  },
  'undici.request()': path => {
    const dispatcher = new undici.Pool('http://x', { connect: undiciConnector(path), connections: atOnce })
    const post = async (status, body) => {
      const answer = await undici.request(`http://x/${status}`, { method: 'POST', body, dispatcher })
      return [answer.statusCode, await answer.body.text()]
    }
    return { post, close: () => dispatcher.destroy() }
  },
  axios: path => {
    const httpAgent = new Agent(path)
    const options = { httpAgent, proxy: false, validateStatus: () => true, maxBodyLength: Infinity }
    const post = async (status, body) => {
      const answer = await axios.post(`http://x/${status}`, body, options)
      return [answer.status, answer.data]
    }
    return { post, close: () => httpAgent.destroy() }
  },
  got: path => {
    const http = new Agent(path)
    const options = { agent: { http }, retry: { limit: 0 }, throwHttpErrors: false }
    const post = async (status, body) => {
      const answer = await got.post(`http://x/${status}`, { ...options, body })
      return [answer.statusCode, answer.body]
    }
    return { post, close: () => http.destroy() }
  },
}

function byNodeHttp(path, isInPieces) {
  const agent = new Agent(path, { keepAlive: isInPieces })
  const post = (status, body) =>
    new Promise((resolve, reject) => {
      const asking = request({ agent, method: 'POST', path: `/${status}` }, response => {
        textOf(response).then(text => resolve([response.statusCode, text]), reject)
      })
      asking.on('error', reject)
      // Node.js 20 frees a connection that has failed, and leaves its error without a listener.
      asking.on('socket', socket => socket.on('error', () => {}))
      if (!isInPieces) return void asking.end(body)
      asking.setHeader('content-length', body.length)
      for (let at = 0; at < body.length; at += 50_000) asking.write(body.subarray(at, at + 50_000))
      asking.end()
    })
  return { post, close: () => agent.destroy() }
}

/** Bodies that the kernel holds, and that it does not. */
const uploads = { 401: Buffer.alloc(50_000, 'b'), 413: Buffer.alloc(3_000_000, 'b') }

for (const [serverName, { needs, command }] of Object.entries(servers))
  needing(needs)(`${serverName} refuses uploads, and no answer is lost`, async t => {
    t.timeout(180_000)
    const path = join(directory(t), 's')
    await started(t, path, command(path))
    for (const [clientName, clientFor] of Object.entries(clients))
      for (const [status, body] of Object.entries(uploads)) {
        const { post, close } = clientFor(path)
        const results = {}
        for (let done = 0; done < tries; done += atOnce) {
          const attempt = () =>
            post(status, body).then(
              answer => answer.join(' '),
              error => `failed with ${error.cause?.code ?? error.code ?? error}`,
            )
          for (const result of await Promise.all(Array.from({ length: atOnce }, attempt)))
            results[result] = (results[result] ?? 0) + 1
        }
        await close()
        t.deepEqual(results, { [`${status} refused`]: tries }, `${clientName}, ${status}`)
      }
  })
