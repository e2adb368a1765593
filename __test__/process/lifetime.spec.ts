import test, { type ExecutionContext } from 'ava'
import { connect, type UnixListener, type UnixSocket } from '../../index.js'
import { listening, receiveAll } from '../helpers/sockets.js'
import { type Ended, start } from '../helpers/program.js'

const program = 'lifetime-what-waits.js'

/** Where a program finds a listener, whose backlog holds one connection. */
async function meeting(t: ExecutionContext): Promise<{ listener: UnixListener; path: string }> {
  const listener = await listening(t, 'path', { backlog: 0 })
  return { listener, path: listener.path as string }
}

/** The next connection, which stays open until the test ends. */
async function accepted(t: ExecutionContext, listener: UnixListener): Promise<UnixSocket> {
  const socket = await listener.accept()
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  return socket
}

function endedWell(t: ExecutionContext, ended: Ended, output: string[]): void {
  t.deepEqual(ended, { code: 0, signal: null, output: output.join('\n'), errors: '' })
}

for (const what of ['an unreferenced listener', 'an unreferenced listener with a pending accept']) {
  test(`a process ends by itself when all it has is ${what}`, async t => {
    t.timeout(30_000)
    const { path } = await meeting(t)
    endedWell(t, await start(t, program, [what, path]).ended, [])
  })
}

// An await at the top of a module that cannot be answered any more: Node then exits with code 13.
test('a process ends by itself when all it has is an unreferenced listener with a pending iteration', async t => {
  t.timeout(30_000)
  const { code, output } = await start(t, program, ['an unreferenced listener with a pending iteration'])
    .ended
  t.deepEqual({ code, output }, { code: 13, output: '' })
})

const idle: Record<string, string[]> = {
  'an unreferenced reading socket': [],
  'an unreferenced socket with bytes to send': [],
  'a socket paused before it has read': [],
  'a paused socket whose buffer is full': ['full'],
  'a socket without a reader': [],
  'a socket with a timeout and without a reader': [],
  'a destroyed socket': [],
}

for (const [what, output] of Object.entries(idle)) {
  test(`a process ends by itself when all it has is ${what}`, async t => {
    t.timeout(30_000)
    const { listener, path } = await meeting(t)
    const running = start(t, program, [what, path])
    const socket = await accepted(t, listener)
    if (output.includes('full')) socket.write(Buffer.alloc(1024 * 1024))
    endedWell(t, await running.ended, output)
  })
}

test('a process ends by itself, at once, when its socket is destroyed behind a write to a peer that is gone', async t => {
  t.timeout(30_000)
  const what = 'a socket that is destroyed behind a write to a peer that is gone'
  endedWell(t, await start(t, program, [what]).ended, [])
})

test('a process ends by itself after an aborted connect and after a closed listener', async t => {
  t.timeout(30_000)
  const { path } = await meeting(t)
  const filler = await connect(path)
  t.teardown(() => filler.destroy())
  endedWell(t, await start(t, program, ['an aborted connect', path]).ended, ['AbortError'])
  endedWell(t, await start(t, program, ['a closed listener', path]).ended, ['ERR_LISTENER_CLOSED'])
})

test('a process ends by itself when both directions of its socket have ended', async t => {
  t.timeout(30_000)
  const { listener, path } = await meeting(t)
  const running = start(t, program, ['both directions of a socket ended', path])
  const socket = await accepted(t, listener)
  socket.end(await receiveAll(socket))
  endedWell(t, await running.ended, ['end', 'closed'])
})

for (const what of ['a listener', 'a listener referenced again']) {
  test(`a process lives as long as it has ${what}`, async t => {
    t.timeout(30_000)
    endedWell(t, await start(t, program, [what]).ended, ['alive'])
  })
}

for (const what of [
  'a reading socket',
  'a reading socket that stops',
  'an unreferenced socket referenced again',
]) {
  test(`a process lives as long as it has ${what}`, async t => {
    t.timeout(30_000)
    const { listener, path } = await meeting(t)
    const running = start(t, program, [what, path])
    await accepted(t, listener)
    endedWell(t, await running.ended, ['alive'])
  })
}

for (const what of ['bytes to send', 'bytes to send before the end']) {
  test(`a process lives as long as it has ${what}`, async t => {
    t.timeout(30_000)
    const { listener, path } = await meeting(t)
    const running = start(t, program, [what, path])
    const socket = await accepted(t, listener)
    await running.prints('alive')
    const received = await receiveAll(socket)
    t.is(received.length, 4 * 1024 * 1024)
    t.true(received.every(byte => byte === 0x78))
    endedWell(t, await running.ended, ['alive', 'sent'])
  })
}

test('a process lives as long as it has a pending connect', async t => {
  t.timeout(30_000)
  const { listener, path } = await meeting(t)
  const filler = await connect(path)
  t.teardown(() => filler.destroy())
  const running = start(t, program, ['a pending connect', path])
  await running.prints('alive')
  await accepted(t, listener)
  await accepted(t, listener)
  endedWell(t, await running.ended, ['alive', 'connected'])
})

test('a process lives until a pending connect has timed out, and no longer', async t => {
  t.timeout(30_000)
  const { path } = await meeting(t)
  const filler = await connect(path)
  t.teardown(() => filler.destroy())
  const { ended } = start(t, program, ['a pending connect with a timeout', path])
  endedWell(t, await ended, ['alive', 'ETIMEDOUT'])
})

const lastWords = `last ${'w'.repeat(100_000)} words`

const exits: Record<string, { code: number; suffix?: string }> = {
  'in a data callback': { code: 7 },
  'in a data callback after end()': { code: 7 },
  'in the callback of a write': { code: 7, suffix: '!' },
  "in the callback of another socket's write": { code: 7 },
  'outside of any callback of a socket': { code: 7 },
  'by an uncaught exception': { code: 1 },
  'while several sockets have something to say': { code: 7 },
}

for (const [how, { code, suffix = '' }] of Object.entries(exits)) {
  test(`what was written before process.exit() is delivered, and then the end: ${how}`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, 'path')
    const running = start(t, 'lifetime-exit.js', [how, listener.path as string])
    const socket = await accepted(t, listener)
    const sibling = how.includes('another') ? receiveAll(await accepted(t, listener)) : undefined
    socket.write('go')
    t.is(String(await receiveAll(socket)), `${lastWords}${suffix}`)
    if (sibling !== undefined) t.is((await sibling).length, 4 << 20)
    const ended = await running.ended
    t.deepEqual([ended.code, ended.signal, ended.output], [code, null, ''])
    t.is(ended.errors.includes('as it should be'), code === 1)
    if (!how.startsWith('while')) return
    for (let other = 0; other < 3; other++) {
      t.is(String(await receiveAll(await accepted(t, listener))), 'last words')
    }
  })
}
