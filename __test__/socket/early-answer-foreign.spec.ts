// Servers that answer before they have read everything, and close: the answer arrives, whatever the client still writes.
import { spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { join } from 'node:path'
import { type Duplex, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Agent } from '../../http.js'
import { connect, FramedSocket } from '../../index.js'
import ourNet from '../../net.js'
import { directory, once } from '../helpers/sockets.js'
import { Program, runs } from '../helpers/program.js'

const tries = Number(process.env['UDSOCK_EARLY_TRIES'] ?? 40)
const text = 'sorry, too many clients already'
const message = Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)])
const programs = fileURLToPath(new URL('../programs/', import.meta.url))

/** Ways to read all that a socket brings, until it ends or fails. */
const readers: Record<string, (socket: Duplex) => Promise<Buffer>> = {
  "'data'": socket => collected(socket, chunks => socket.on('data', chunk => chunks.push(chunk))),
  "an async 'data' handler": socket =>
    collected(socket, chunks =>
      socket.on('data', async chunk => {
        await Promise.resolve()
        chunks.push(chunk)
      }),
    ),
  "'readable'": socket =>
    collected(socket, chunks =>
      socket.on('readable', () => {
        for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) chunks.push(chunk)
      }),
    ),
  "'data', paused for a turn after each chunk": socket =>
    collected(socket, chunks =>
      socket.on('data', chunk => {
        chunks.push(chunk)
        socket.pause()
        setImmediate(() => socket.resume())
      }),
    ),
  'for await': socket => iterated(socket),
  'iterator()': socket => iterated(socket.iterator({ destroyOnReturn: false })),
  'pipeline()': async socket => {
    const chunks: Buffer[] = []
    const sink = new Writable({
      write(chunk, _encoding, callback) {
        chunks.push(chunk)
        setImmediate(callback)
      },
    })
    await pipeline(socket, sink).catch(() => {})
    return Buffer.concat(chunks)
  },
}

async function collected(socket: Duplex, start: (chunks: Buffer[]) => void): Promise<Buffer> {
  const chunks: Buffer[] = []
  start(chunks)
  socket.on('error', () => {}).on('end', () => socket.end())
  await once(socket, 'close')
  return Buffer.concat(chunks)
}

async function iterated(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const received: Buffer[] = []
  try {
    for await (const chunk of chunks) received.push(chunk)
  } catch {
    // After the answer.
  }
  return Buffer.concat(received)
}

const opens: Record<string, (path: string) => Promise<Duplex> | Duplex> = {
  'connect()': path => connect(path),
  'udsock/net': path => ourNet.connect(path),
}

/** What the client writes, and goes on to write. */
const uploads: Record<string, (socket: Duplex) => void> = {
  'a small question': socket => socket.write('a question that has no reader'),
  'an upload of 1 MiB': socket => {
    for (let number = 0; number < 16; number++) socket.write(Buffer.alloc(65_536))
  },
  'a question with a callback, and another when the turn has ended': socket => {
    socket.write('a question', () => {})
    setImmediate(() => socket.writable && socket.write('another', () => {}))
  },
}

/** A server's directory: `refuse` and `first` in it answer with `message`, `http` with a status. */
const servers: Record<string, { lacks?: string; start(t: ExecutionContext): Promise<string> }> = {
  'a Python server': {
    ...(runs('python3', '--version') ? {} : { lacks: 'no python3 here' }),
    start: t => started(t, folder => ['python3', join(programs, 'early.py'), folder]),
  },
  'a C server': {
    ...(runs('cc', '--version') ? {} : { lacks: 'no C compiler here' }),
    start: t =>
      started(t, folder => {
        const file = join(folder, 'early')
        const built = spawnSync('cc', ['-O1', '-pthread', '-o', file, join(programs, 'early.c')], {
          encoding: 'utf8',
        })
        if (built.status !== 0) throw new Error(built.stderr)
        return [file, folder]
      }),
  },
}

async function started(t: ExecutionContext, commandFor: (folder: string) => string[]): Promise<string> {
  const folder = directory(t)
  const [file, ...args] = commandFor(folder)
  await new Program(t, file!, args).prints('ready')
  return folder
}

/** How many of so many tries, ten at a time, gave `wanted`; the others' results are counted by what they were. */
async function count(attempt: () => Promise<string>): Promise<Record<string, number>> {
  const results: Record<string, number> = {}
  for (let done = 0; done < tries; done += 10) {
    for (const result of await Promise.all(Array.from({ length: 10 }, attempt)))
      results[result] = (results[result] ?? 0) + 1
  }
  return results
}

for (const [serverName, { lacks, start }] of Object.entries(servers)) {
  const declare = lacks === undefined ? test : test.skip
  const why = lacks === undefined ? '' : ` (skipped: ${lacks})`

  for (const [openName, open] of Object.entries(opens))
    for (const [readerName, read] of Object.entries(readers))
      declare(`no answer of ${serverName} is lost to ${readerName} of ${openName}${why}`, async t => {
        t.timeout(110_000)
        const folder = await start(t)
        for (const when of ['refuse', 'first'])
          for (const [what, upload] of Object.entries(uploads)) {
            const results = await count(async () => {
              const socket = await open(join(folder, when))
              const reading = read(socket)
              socket.on('error', () => {})
              upload(socket)
              const answer = await reading
              socket.destroy()
              return answer.equals(message) ? 'whole' : `${answer.length} bytes`
            })
            t.deepEqual(results, { whole: tries }, `${when}, ${what}`)
          }
      })

  declare(`no message of ${serverName} is lost to a FramedSocket${why}`, async t => {
    t.timeout(110_000)
    const folder = await start(t)
    const frames: Record<string, (framed: FramedSocket) => Promise<unknown>> = {
      'for await': async framed => {
        for await (const payload of framed) return String(payload)
        return 'nothing'
      },
      "'message'": framed =>
        new Promise(resolve => {
          framed.on('message', payload => resolve(String(payload))).on('close', () => resolve('nothing'))
        }),
    }
    for (const when of ['refuse', 'first'])
      for (const [how, read] of Object.entries(frames)) {
        const results = await count(async () => {
          const framed = new FramedSocket(await connect(join(folder, when)))
          framed.on('error', () => {})
          framed.send('a question')
          setImmediate(() => framed.send('another', () => {}))
          const answer = await read(framed).catch(({ code }: NodeJS.ErrnoException) => code)
          framed.destroy()
          return String(answer)
        })
        t.deepEqual(results, { [text]: tries }, `${when}, ${how}`)
      }
  })

  declare(`no early answer of ${serverName} is lost to node:http through an Agent${why}`, async t => {
    t.timeout(110_000)
    const folder = await start(t)
    for (const keepAlive of [false, true])
      for (const [status, length] of [
        [401, 50_000],
        [413, 5_000_000],
      ] as const) {
        const agent = new Agent(join(folder, 'http'), { keepAlive })
        const results = await count(() => posted(agent, status, length))
        t.deepEqual(results, { [`${status} refused`]: tries }, `${status}, keepAlive ${keepAlive}`)
        agent.destroy()
      }
  })
}

/** Posts so many bytes: the answer's status and body, or what became of the request. */
function posted(agent: Agent, status: number, length: number): Promise<string> {
  return new Promise(resolve => {
    const asking = request({ agent, method: 'POST', path: `/${status}` }, async response => {
      let body = ''
      try {
        for await (const chunk of response) body += chunk
        resolve(`${response.statusCode} ${body}`)
      } catch (error) {
        resolve(`${response.statusCode}, and its body ${(error as NodeJS.ErrnoException).code}`)
      }
    })
    asking.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code}`))
    for (let left = length; left > 0; left -= 50_000) asking.write(Buffer.alloc(50_000))
    asking.end()
  })
}
