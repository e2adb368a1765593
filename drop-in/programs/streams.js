// Sockets as streams: what node:stream, readline, zlib, web streams and child processes ask of them.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import events from 'node:events'
import { createReadStream, createWriteStream, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import readline from 'node:readline'
import { addAbortSignal, Duplex, finished, PassThrough, Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline, finished as isFinished } from 'node:stream/promises'
import { createDeflate, createGzip, createInflate, gunzipSync } from 'node:zlib'
import { bytes, cases, happened, once, text, turns } from '../cases.js'

async function listening(run, handler, options) {
  const server = run.keep(net.createServer(options ?? {}, handler))
  const path = run.path()
  await once(server.listen(path), 'listening')
  return path
}

async function pair(run, options) {
  const server = run.keep(net.createServer(options ?? {}))
  const path = run.path()
  await once(server.listen(path), 'listening')
  const client = run.keep(net.connect({ path, ...options }))
  const [accepted] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
  return [client, run.keep(accepted)]
}

const hash = data => createHash('sha256').update(data).digest('hex').slice(0, 12)
const sent = Buffer.from(Array.from({ length: 500_000 }, (_, n) => n * 31 + (n >> 8)))

function slow(chunks = []) {
  const sink = new Writable({
    highWaterMark: 1_000,
    write(chunk, _encoding, done) {
      chunks.push(chunk)
      setImmediate(() => done())
    },
  })
  return { sink, chunks }
}

await cases({
  'a file into a socket, and a socket into a file': async run => {
    const [from, to] = [join(run.directory, 'from'), join(run.directory, 'to')]
    writeFileSync(from, sent)
    const received = new Promise((resolve, reject) => {
      void listening(run, socket => {
        pipeline(socket, createWriteStream(to)).then(resolve, reject)
      }).then(path => pipeline(createReadStream(from), net.connect(path)).catch(reject))
    })
    await received
    return hash(readFileSync(to)) === hash(sent)
  },
  'pipe() from a fast source into a slow reader': async run => {
    const [client, accepted] = await pair(run)
    const { sink, chunks } = slow()
    accepted.pipe(sink)
    Readable.from(Array.from({ length: 50 }, (_, n) => sent.subarray(n * 10_000, (n + 1) * 10_000))).pipe(
      client,
    )
    await happened(sink, 'finish')
    return hash(Buffer.concat(chunks)) === hash(sent)
  },
  'pipe() from a socket into two': async run => {
    const [client, accepted] = await pair(run)
    const [one, two] = [new PassThrough(), new PassThrough()]
    accepted.pipe(one)
    accepted.pipe(two)
    client.end(sent)
    const [first, second] = await Promise.all([bytes(one), bytes(two)])
    return [hash(first) === hash(sent), hash(second) === hash(sent)]
  },
  'unpipe, and pipe again': async run => {
    const [client, accepted] = await pair(run)
    const [one, two] = [new PassThrough(), new PassThrough()]
    client.pipe(one)
    accepted.write('first')
    run.note(String(await happened(one, 'data')))
    client.unpipe(one)
    accepted.write('second')
    await turns(5)
    client.pipe(two)
    accepted.end()
    return text(two)
  },
  'compressed on the way': async run => {
    const path = await listening(
      run,
      socket => {
        socket.pipe(createInflate()).pipe(createGzip()).pipe(socket)
      },
      { allowHalfOpen: true },
    )
    const client = net.connect({ path, allowHalfOpen: true })
    const all = bytes(client)
    await pipeline(Readable.from([sent]), createDeflate(), client)
    return hash(gunzipSync(await all)) === hash(sent)
  },
  'a child process on both ends': async run => {
    const child = spawn('cat', [], { stdio: ['pipe', 'pipe', 'inherit'] })
    const path = await listening(
      run,
      socket => {
        socket.pipe(child.stdin)
        child.stdout.pipe(socket)
      },
      { allowHalfOpen: true },
    )
    const client = net.connect({ path, allowHalfOpen: true })
    client.end(sent)
    return hash(await bytes(client)) === hash(sent)
  },
  'pipeline(): an error of the source destroys the socket': async run => {
    const [client, accepted] = await pair(run)
    accepted.resume().on('error', () => {})
    const source = new Readable({
      read() {
        this.destroy(new Error('the source fails'))
      },
    })
    run.note(await pipeline(source, client).catch(error => error.message), client.destroyed)
    await happened(accepted, 'close')
  },
  'pipeline(): a peer that leaves': async run => {
    const [client, accepted] = await pair(run)
    accepted.destroy()
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(10_000))
      },
    })
    const error = await pipeline(endless, client).catch(failed => failed)
    return [['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(error.code), client.destroyed]
  },
  'finished() of a socket': async run => {
    const [client, accepted] = await pair(run)
    const both = isFinished(client)
    accepted.resume()
    client.resume().end('x')
    await both
    run.note(client.readableEnded, client.writableFinished)
    const [other] = await pair(run)
    const failed = new Promise(resolve => finished(other, error => resolve(error?.code)))
    other.destroy()
    run.note(await failed)
  },
  addAbortSignal: async run => {
    const [client] = await pair(run)
    const controller = new AbortController()
    addAbortSignal(controller.signal, client)
    const failed = happened(client, 'error')
    controller.abort()
    run.note((await failed).name, client.destroyed)
  },
  'for await, with a break, and with destroyOnReturn': async run => {
    const [client, accepted] = await pair(run)
    accepted.write('one')
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      run.note(String(chunk))
      break
    }
    run.note(client.destroyed)
    accepted.write('two')
    for await (const chunk of client) {
      run.note(String(chunk))
      break
    }
    run.note(client.destroyed)
  },
  'an async reader gets the last bytes': async run => {
    const path = await listening(run, socket => {
      socket.write('one ')
      setImmediate(() => socket.end('two'))
    })
    let all = ''
    for await (const chunk of net.connect(path)) {
      await turns(3)
      all += chunk
    }
    return all
  },
  "'readable' and read(n)": async run => {
    const [client, accepted] = await pair(run)
    const parts = []
    client.on('readable', () => {
      for (let part = client.read(3); part !== null; part = client.read(3)) parts.push(String(part))
    })
    accepted.end('abcdefgh')
    await happened(client, 'end')
    return parts.join('|')
  },
  lines: async run => {
    const path = await listening(run, socket => socket.end('one\ntwo\r\nthree'))
    const lines = []
    for await (const line of readline.createInterface({ input: net.connect(path) })) lines.push(line)
    return lines
  },
  'events.on and events.once': async run => {
    const [client, accepted] = await pair(run)
    accepted.write('first')
    run.note(String((await events.once(client, 'data'))[0]))
    const controller = new AbortController()
    accepted.write('second')
    for await (const [chunk] of events.on(client, 'data', { signal: controller.signal })) {
      run.note(String(chunk))
      break
    }
  },
  'helpers of Readable': async run => {
    const path = await listening(run, socket => socket.end(sent))
    const sizes = await net
      .connect(path)
      .map(chunk => chunk.length)
      .toArray()
    run.note(sizes.reduce((sum, size) => sum + size, 0))
    run.note(hash(await buffer(net.connect(path))) === hash(sent))
  },
  'web streams': async run => {
    const path = await listening(run, socket => socket.pipe(socket), { allowHalfOpen: true })
    const { readable, writable } = Duplex.toWeb(net.connect({ path, allowHalfOpen: true }))
    const writer = writable.getWriter()
    void writer.write(new Uint8Array(sent)).then(() => writer.close())
    const chunks = []
    for await (const chunk of readable) chunks.push(chunk)
    return hash(Buffer.concat(chunks)) === hash(sent)
  },
  'Readable.toWeb, and a cancel': async run => {
    const [client, accepted] = await pair(run)
    accepted.on('error', () => {})
    accepted.write('a part')
    const reader = Readable.toWeb(client).getReader()
    run.note(String(Buffer.from((await reader.read()).value)))
    await reader.cancel()
    if (!client.closed) await happened(client, 'close')
    return client.destroyed
  },
  'Duplex.from and compose': async run => {
    const path = await listening(run, socket => socket.pipe(socket), { allowHalfOpen: true })
    const socket = net.connect({ path, allowHalfOpen: true })
    const duplex = Duplex.from({ readable: socket, writable: socket })
    duplex.end('through a duplex')
    return text(duplex)
  },
  'writes from everywhere keep their order': async run => {
    const [client, accepted] = await pair(run)
    const all = text(accepted)
    client.write('1')
    process.nextTick(() => client.write('3'))
    queueMicrotask(() => client.write('4'))
    setImmediate(() => {
      client.write('5')
      client.cork()
      client.write('6')
      client.write('7')
      process.nextTick(() => {
        client.uncork()
        client.end('8')
      })
    })
    client.write('2')
    return all
  },
  'state of the writable side, step by step': async run => {
    const [client, accepted] = await pair(run)
    const state = () => [
      client.writable,
      client.writableEnded,
      client.writableFinished,
      client.writableLength,
    ]
    run.note(state())
    client.cork()
    client.write('abc')
    run.note(state(), client.writableCorked)
    client.uncork()
    await turns(3)
    run.note(state())
    client.end()
    run.note(state())
    await happened(client, 'finish')
    run.note(state(), client.closed)
    accepted.resume()
  },
  'state of the readable side, step by step': async run => {
    const [client, accepted] = await pair(run)
    const state = () => [client.readable, client.readableFlowing, client.readableEnded, client.readableLength]
    run.note(state())
    accepted.end('abc')
    await happened(client, 'readable')
    run.note(state(), client.readableDidRead, client.readableAborted)
    run.note(String(client.read()))
    client.resume()
    await happened(client, 'end')
    run.note(state(), client.readableDidRead)
  },
  'a chunk is a Buffer of its own': async run => {
    const [client, accepted] = await pair(run)
    const chunks = []
    client.on('data', chunk => chunks.push(chunk))
    for (let number = 0; number < 20; number++) {
      accepted.write(Buffer.alloc(100, number))
      await turns(2)
    }
    accepted.end()
    await happened(client, 'end')
    return (
      hash(Buffer.concat(chunks)) ===
      hash(Buffer.concat(Array.from({ length: 20 }, (_, n) => Buffer.alloc(100, n))))
    )
  },
  'typed arrays, DataViews and strings are written': async run => {
    const [client, accepted] = await pair(run)
    const all = bytes(accepted)
    client.write(new Uint8Array([1, 2]))
    for (const view of [new Uint16Array([0x0403]), new DataView(new Uint8Array([5, 6]).buffer)])
      try {
        client.write(view)
      } catch (error) {
        run.note(error)
      }
    client.write('')
    client.end(new Uint8Array(0))
    return [...(await all)]
  },
  'objectMode and highWaterMark of the options': async run => {
    const [client, accepted] = await pair(run, { highWaterMark: 5_000 })
    run.note(client.readableHighWaterMark, client.writableHighWaterMark)
    run.note(accepted.readableHighWaterMark, accepted.writableHighWaterMark)
    try {
      void new net.Socket({ objectMode: true })
    } catch (error) {
      run.note(error)
    }
  },
  'what write() returns within one turn': async run => {
    const [client, accepted] = await pair(run, { highWaterMark: 5_000 })
    run.note(
      client.write(Buffer.alloc(4_999)),
      client.write(Buffer.alloc(1)),
      client.write(Buffer.alloc(5_000)),
    )
    accepted.resume()
  },
  'await using': async run => {
    const [client] = await pair(run)
    client.on('error', error => run.note(error))
    if (client[Symbol.asyncDispose] !== undefined) await client[Symbol.asyncDispose]()
    return client.destroyed
  },
})
