import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import {
  directory,
  everyPlace,
  listening,
  once,
  pair,
  receive,
  receiveAll,
  type Place,
} from '../helpers/sockets.js'
import { argument, fill, leavesNoDescriptors, netConnect, turns } from '../helpers/streams.js'
import { Program } from '../helpers/program.js'

leavesNoDescriptors(test)

const straced = spawnSync('strace', ['-e', 'trace=sendmsg,sendto', 'true']).status === 0 ? test : test.skip
const file = fileURLToPath(new URL('../programs/socket-turns.js', import.meta.url))

test('a foreign peer gets the small writes of one turn in one piece', async t => {
  const listener = await listening(t)
  const peer = await netConnect(t, listener.path)
  const server = await listener.accept()
  t.teardown(() => server.destroy())
  const pieces: string[] = []
  peer.on('data', piece => pieces.push(String(piece)))
  for (let turn = 0; turn < 5; turn++) {
    const arrived = once(peer, 'data')
    for (let index = 0; index < 100; index++) server.write(String(index % 10))
    await arrived
  }
  t.deepEqual(pieces, Array(5).fill('0123456789'.repeat(10)))
})

/** Returns the system calls in which a program sends what it writes to `count` sockets in one way. */
async function sendsOf(
  t: ExecutionContext,
  place: Place,
  way: string,
  count: number,
  nanoseconds: number,
): Promise<number> {
  t.timeout(60_000)
  const listener = await listening(t, place, { backlog: 8 })
  const log = join(directory(t), 'calls')
  const { ended } = new Program(t, 'strace', [
    '-f',
    '-o',
    log,
    '--trace=sendmsg,sendto',
    process.execPath,
    file,
    argument(listener.path),
    way,
    String(count),
    String(nanoseconds),
  ])
  const one = 'small string '.repeat(50)
  const expected: Record<string, string> = {
    promise: one + one,
    corked: one + one,
    'large at the end': one + 'l'.repeat(20_000),
  }
  for (let index = 0; index < count; index++) {
    const server = await listener.accept()
    t.teardown(() => server.destroy())
    if (way === 'data' && index === 0) server.write('now')
    t.is(String(await receiveAll(server)), expected[way] ?? one)
    server.end()
  }
  const { code, errors } = await ended
  t.is(code, 0, errors)
  return readFileSync(log, 'utf8').match(/(sendmsg|sendto)\(/g)?.length ?? 0
}

for (const place of everyPlace) {
  straced(
    `slow writes leave before the turn ends, in some system calls for each socket (${place})`,
    async t => {
      const count = 3
      const sends = await sendsOf(t, place, 'once', count, 20_000)
      t.true(sends > 2 * count, `${sends}`)
      t.true(sends < 150 * count, `${sends}`)
    },
  )

  for (const [way, sends] of [
    ['once', 1],
    ['timer', 1],
    ['immediate', 1],
    ['tick', 1],
    ['promise', 2],
    ['corked', 1],
    ['large at the end', 1],
    ['data', 1],
  ] as const) {
    straced(
      `writes of one turn leave in ${sends} system call${sends === 1 ? '' : 's'} for each socket: ${way} (${place})`,
      async t => {
        const count = 3
        t.is(await sendsOf(t, place, way, count, 0), sends * count)
      },
    )
  }

  test.serial(`nothing leaves inside write(), everything before the loop sleeps (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const ways: ((work: () => void) => void)[] = [
      work => work(),
      work => void setTimeout(work, 1),
      work => void setImmediate(work),
      work => process.nextTick(work),
      queueMicrotask,
      work => void Promise.resolve().then(work),
      work => void Promise.reject(new Error('x')).catch(work),
    ]
    for (const way of ways) {
      const before = client.bytesWritten
      way(() => {
        client.write('one ')
        client.write(Buffer.from('two'))
        t.is(client.bytesWritten, before)
      })
      t.is(String(await receive(server, 7)), 'one two')
    }
  })

  test.serial(`a microtask outside a turn is enough for bytes to leave (${place})`, async t => {
    const { client } = await pair(t, place)
    client.write('x')
    t.is(client.bytesWritten, 0)
    await Promise.resolve()
    await Promise.resolve()
    t.is(client.bytesWritten, 1)
  })

  test(`cork holds writes over turns, and uncork sends them (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.cork()
    for (const part of ['a', 'b', 'c']) {
      client.write(part)
      client.write(Buffer.from(part))
      await turns(3)
      t.is(client.bytesWritten, 0)
    }
    t.is(client.writableLength, 6)
    client.uncork()
    t.is(String(await receive(server, 6)), 'aabbcc')
    t.is(client.writableCorked, 0)
  })

  test(`cork holds large chunks and the end-of-turn flush too (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.write('before')
    client.cork()
    client.write(Buffer.alloc(100_000, 'l'))
    client.write('after')
    await turns(3)
    t.is(client.bytesWritten, 6, 'what was written before the cork is on its way')
    client.uncork()
    t.is(String(await receive(server, 100_011)), `before${'l'.repeat(100_000)}after`)
  })

  test(`each cork needs its uncork, and end() needs none (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.cork()
    client.cork()
    client.write('1')
    client.uncork()
    await turns(3)
    t.is(client.bytesWritten, 0)
    client.uncork()
    t.is(String(await receive(server, 1)), '1')
    client.cork()
    client.cork()
    client.write('2')
    client.end('3')
    t.is(String(await receiveAll(server)), '23')
  })

  test(`an uncork too many does no harm (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.uncork()
    client.write('1')
    client.uncork()
    client.write(Buffer.from('2'))
    client.uncork()
    client.uncork()
    client.write('3')
    t.is(String(await receive(server, 3)), '123')
    client.write('4')
    client.uncork()
    client.cork()
    client.write('5')
    await turns(3)
    t.is(client.bytesWritten, 4, 'the cork after it holds')
    client.uncork()
    t.is(String(await receive(server, 2)), '45')
    t.is(client.writableCorked, 0)
  })

  test(`cork and uncork while the kernel is full keep the order (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const skipped = fill(client)
    client.write('1')
    client.cork()
    client.write(Buffer.from('2'))
    await turns(2)
    client.write('3')
    client.uncork()
    client.write(Buffer.alloc(20_000, '4'))
    client.cork()
    client.write('5')
    const received = receiveAll(server)
    await turns(20)
    client.end()
    t.is(String((await received).subarray(skipped)), `123${'4'.repeat(20_000)}5`)
  })

  test(`a destroy with the cork on drops what node:net drops (${place})`, async t => {
    const { client, server } = await pair(t, place)
    let code: unknown
    client.write('sent')
    await turns(1)
    client.cork()
    client.write('corked', error => (code = (error as NodeJS.ErrnoException | null)?.code))
    client.destroy()
    t.is(String(await receiveAll(server)), 'sent')
    const listener = await listening(t)
    const plain = await netConnect(t, listener.path)
    const accepted = await listener.accept()
    let plainCode: unknown
    plain.cork()
    plain.write('corked', error => (plainCode = (error as NodeJS.ErrnoException | null)?.code))
    plain.destroy()
    t.is(String(await receiveAll(accepted)), '')
    accepted.destroy()
    t.is(code, plainCode)
  })
}
