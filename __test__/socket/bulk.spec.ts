import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { connect } from '../../index.js'
import { directory, everyPlace, listening, once, pair, places, receiveAll } from '../helpers/sockets.js'
import { argument, generator, leavesNoDescriptors, pattern, sha256, turns } from '../helpers/streams.js'
import { Program, start, startBehind } from '../helpers/program.js'
import { isNode } from '../helpers/runtimes.js'

leavesNoDescriptors(test)

interface Seen {
  sent: string
  received: string
  bytesRead: number
  bytesWritten: number
  /** Times that write() answered false. */
  refusals: number
  drains: number
  /** Most bytes above what there was before. */
  rss: number
  arrayBuffers: number
  /** Most bytes. */
  writableLength: number
  readableLength: number
}

const mebibyte = 1 << 20
const last = (output: string): Seen => JSON.parse(output.trim().split('\n').at(-1)!) as Seen

for (const place of everyPlace) {
  test.serial(`256 MiB both ways at once between two processes, memory bounded (${place})`, async t => {
    t.timeout(100_000)
    const total = 256 * mebibyte
    const path = argument(places[place](t))
    const server = start(t, 'socket-bulk.js', ['server', path, '1', String(total)])
    await server.nextLine()
    const client = start(t, 'socket-bulk.js', ['client', path, '2', String(total)])
    const outcomes = await Promise.all([server.ended, client.ended])
    t.deepEqual(
      outcomes.map(({ code, errors }) => [code, errors]),
      [
        [0, ''],
        [0, ''],
      ],
    )
    const [first, second] = outcomes.map(({ output }) => last(output)) as [Seen, Seen]
    t.is(first.received, second.sent)
    t.is(second.received, first.sent)
    t.not(first.sent, second.sent)
    for (const seen of [first, second]) {
      t.log(JSON.stringify(seen))
      t.is(seen.bytesRead, total)
      t.is(seen.bytesWritten, total)
      // How often depends on the size of the send buffer, which grows with bulk.
      t.true(seen.refusals > 10)
      t.true(seen.drains >= seen.refusals)
      t.true(seen.writableLength < 65_536 + 1_000_001)
      t.true(seen.readableLength <= 65_536 + 8 * 65_536)
      t.true(seen.arrayBuffers < 96 * mebibyte, `${seen.arrayBuffers} bytes of array buffers`)
      t.true(seen.rss < 96 * mebibyte, `${seen.rss} bytes more in memory`)
    }
  })

  test.serial(`many sockets of one process carry bulk both ways, each its own bytes (${place})`, async t => {
    t.timeout(60_000)
    const listener = await listening(t, place, { backlog: 16 })
    const pairs = await Promise.all(
      Array.from({ length: 16 }, () => Promise.all([connect(listener.path), listener.accept()])),
    )
    const sockets = pairs.flat()
    t.teardown(() => sockets.forEach(socket => socket.destroy()))
    // Connections are accepted in the order of their connect(); the bytes show which ends belong together.
    const hashes = await Promise.all(
      sockets.map(async (socket, index) => {
        const bytes = pattern(4 * mebibyte, index)
        const next = generator(index)
        const received = receiveAll(socket)
        for (let from = 0; from < bytes.length;) {
          const to = from + 1 + next(100_000)
          if (!socket.write(bytes.subarray(from, to))) await once(socket, 'drain')
          from = to
        }
        socket.end()
        return { sent: sha256(bytes), received: sha256(await received) }
      }),
    )
    t.is(new Set(hashes.map(({ sent }) => sent)).size, 32)
    for (let index = 0; index < 32; index += 2) {
      const [client, server] = [hashes[index]!, hashes[index + 1]!]
      t.is(client.received, server.sent)
      t.is(server.received, client.sent)
    }
  })

  test.serial(`a writer that never waits for 'drain' loses nothing (${place})`, async t => {
    t.timeout(60_000)
    const { client, server } = await pair(t, place)
    const next = generator(3)
    const parts: Buffer[] = []
    for (let length = 0; length < 16 * mebibyte;) {
      const part = pattern(1 + next(next(4) === 0 ? 100_000 : 5000), parts.length)
      parts.push(part)
      length += part.length
      client.write(part)
      if (parts.length % 500 === 0) await turns(1)
    }
    client.end()
    t.is(sha256(await receiveAll(server)), sha256(Buffer.concat(parts)))
  })

  test.serial(`a reader of single bytes and one of pieces get everything (${place})`, async t => {
    t.timeout(60_000)
    const { client, server } = await pair(t, place)
    client.end(pattern(300_000))
    const next = generator(4)
    const parts: Buffer[] = []
    server.on('readable', () => {
      for (;;) {
        const part = server.read(next(3) === 0 ? 1 : 1 + next(3000)) as Buffer | null
        const rest = part ?? (server.read() as Buffer | null)
        if (rest === null) break
        parts.push(rest)
      }
    })
    await once(server, 'end')
    t.is(sha256(Buffer.concat(parts)), sha256(pattern(300_000)))
  })

  test.serial(`unshift gives bytes back to the next reader (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.end('headbody')
    await once(server, 'readable')
    const all = server.read() as Buffer
    server.unshift(all.subarray(4))
    t.is(String(await receiveAll(server)), 'body')
  })
}

// The threshold is glibc's, and only Node's report names glibc.
const report = isNode
  ? (process.report.getReport() as { header: { glibcVersionRuntime?: string } })
  : undefined
const straced =
  report?.header.glibcVersionRuntime !== undefined &&
  spawnSync('strace', ['-e', 'trace=munmap', 'true']).status === 0

for (const [received, lessons] of [
  [8, 0],
  [64, 1],
] as const) {
  const ifStraced = straced ? test : test.skip
  ifStraced(
    `after ${received} MiB in bulk, glibc was taught to keep freed memory ${lessons} times`,
    async t => {
      const listener = await listening(t)
      const log = join(directory(t), 'calls')
      const reader = fileURLToPath(new URL('../programs/bulk-reader.js', import.meta.url))
      const args = ['-f', '-o', log, '--trace=munmap', process.execPath, reader, argument(listener.path)]
      const { ended } = new Program(t, 'strace', args)
      const server = await listener.accept()
      server.end(Buffer.alloc(received * mebibyte))
      const { code, errors } = await ended
      t.is(code, 0, errors)
      server.destroy()
      // The block's size, with the header and in whole pages.
      const blocks = readFileSync(log, 'utf8').match(/munmap\(\w+, 33492992/g) ?? []
      t.is(blocks.length, lessons)
    },
  )
}

const limited = isNode && spawnSync('prlimit', ['--version']).status === 0 ? test : test.skip

limited('where there is no address space for the lesson, the process lives on', async t => {
  // With several arenas, threads of Node's reserve 64 MiB each, at any time.
  const program = startBehind(t, ['env', 'MALLOC_ARENA_MAX=1'], 'bulk-no-room.js', [])
  const { code, signal, output, errors } = await program.ended
  t.deepEqual([code, signal, output], [0, null, 'lives on'], errors)
})
