import { chmodSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type Allow, connect, listen, type UnixListener } from '../../index.js'
import { directory, places, receiveAll } from '../helpers/sockets.js'
import { type Program, runs, startBehind, startFile } from '../helpers/program.js'
import { canChangeUser, me, python, settledSoon, withUsers } from './helpers.js'

const canMap = canChangeUser && runs('unshare', '-U', '-r', 'true')
const withNamespaces = canMap ? test : test.skip
if (!canMap) console.log('# users without a number: skipped, this needs root and user namespaces')
const onLinux = process.platform === 'linux' ? test : test.skip

interface Stranger {
  uid: number
  gid: number
  groups?: number[]
  count?: number
}

function stranger(
  t: ExecutionContext,
  path: string,
  { uid, gid, groups = [], count = 1 }: Stranger,
): Program {
  const args = [path, String(uid), String(gid), groups.join(','), String(count)]
  return startFile(t, python, 'stranger.py', args)
}

async function outcomes(t: ExecutionContext, program: Program): Promise<string[]> {
  const { code, errors, output } = await program.ended
  t.deepEqual([code, errors], [0, ''])
  return JSON.parse(output.split('\n').at(-1)!) as string[]
}

/** A listener at a path that every user can connect to, which greets the peers that it accepts. */
async function open(
  t: ExecutionContext,
  allow: Allow | undefined,
  backlog = 16,
): Promise<{ path: string; listener: UnixListener; users: number[] }> {
  const home = directory(t)
  chmodSync(home, 0o755)
  const path = `${home}/s`
  const listener = await listen(path, { mode: 0o777, backlog, allow })
  t.teardown(() => listener.close())
  const users: number[] = []
  void (async () => {
    for await (const socket of listener) {
      users.push(socket.peer.uid)
      socket.resume()
      socket.end('welcome')
    }
  })()
  return { path, listener, users }
}

// Who is allowed.

const visitor: Stranger = { uid: 1234, gid: 1235, groups: [1236, 1237] }
const rows: [string, Allow | undefined, Stranger, boolean][] = [
  ['every user by default', undefined, visitor, true],
  ["by 'self', not another user", 'self', visitor, false],
  ["by 'self', this user", 'self', { uid: 0, gid: 1235 }, true],
  ['by uid', { uids: [7, 1234] }, visitor, true],
  ['by uid, not another user', { uids: [0, 1235, 1236] }, visitor, false],
  ['by the effective group', { gids: [7, 1235] }, visitor, true],
  ['by a supplementary group', { gids: [1237] }, visitor, true],
  [
    'by the last of 1,000 supplementary groups',
    { gids: [5999] },
    { uid: 1234, gid: 1235, groups: Array.from({ length: 1000 }, (_, index) => 5000 + index) },
    true,
  ],
  ['by uid or gid', { uids: [7], gids: [1236] }, visitor, true],
  ['by gid, not a user in none of the groups', { gids: [1234, 7] }, visitor, false],
  ['by uid and gid, not a user that has neither', { uids: [0, 1235], gids: [0, 1234] }, visitor, false],
  [
    'never the overflow user, whatever its groups',
    { uids: [1], gids: [1235] },
    { uid: 65534, gid: 1235 },
    false,
  ],
  ['never the overflow group', { uids: [1], gids: [2] }, { uid: 1234, gid: 65534, groups: [65534] }, false],
]
for (const [what, allow, who, expected] of rows)
  withUsers(`allowed ${what}`, async t => {
    t.timeout(30_000)
    const { path, listener, users } = await open(t, allow)
    t.deepEqual(await outcomes(t, stranger(t, path, who)), [expected ? 'welcome' : ''])
    t.deepEqual([users, listener.refused], expected ? [[who.uid], 0] : [[], 1])
  })

withUsers('refused peers are counted, and do not use up an accept()', async t => {
  t.timeout(30_000)
  const home = directory(t)
  chmodSync(home, 0o755)
  const path = `${home}/s`
  const listener = await listen(path, { mode: 0o777, backlog: 128, allow: 'self' })
  t.teardown(() => listener.close())
  t.is(listener.refused, 0)
  const crowd = stranger(t, path, { uid: 1234, gid: 1234, count: 100 })
  await crowd.prints('connected')
  // A client waits; that it is not allowed shows when it is accepted.
  await listener.ready()
  t.is(listener.refused, 0)
  const accepting = listener.accept()
  t.is(await settledSoon(accepting), 'pending')
  t.deepEqual(await outcomes(t, crowd), Array<string>(100).fill(''))
  t.is(listener.refused, 100)
  const client = await connect(path)
  const server = await accepting
  t.is(server.peer.uid, me)
  t.is(listener.refused, 100)
  client.destroy()
  server.destroy()
})

withUsers('1,000 refused peers before an allowed one do not keep it waiting, nor the event loop', async t => {
  t.timeout(60_000)
  const { path, listener, users } = await open(t, 'self', 2000)
  let turns = 0
  const turn = (): void => {
    turns++
    if (users.length === 0) setImmediate(turn)
  }
  const crowd = stranger(t, path, { uid: 1234, gid: 1234, count: 1000 })
  await crowd.prints('connected')
  turn()
  const client = await connect(path)
  t.is(String(await receiveAll(client)), 'welcome')
  client.destroy()
  t.deepEqual(await outcomes(t, crowd), Array<string>(1000).fill(''))
  t.deepEqual([users, listener.refused], [[me], 1000])
  t.true(turns > 0)
})

withUsers('a queue of refused peers is worked off in bounded turns', async t => {
  t.timeout(60_000)
  const home = directory(t)
  chmodSync(home, 0o755)
  const path = `${home}/s`
  const listener = await listen(path, { mode: 0o777, backlog: 2000, allow: 'self' })
  t.teardown(() => listener.close())
  const crowd = stranger(t, path, { uid: 1234, gid: 1234, count: 500 })
  await crowd.prints('connected')
  const accepting = listener.accept().catch((error: NodeJS.ErrnoException) => error.code)
  const counts = [listener.refused]
  while (counts.at(-1)! < 500) {
    await new Promise(resolve => setImmediate(resolve))
    counts.push(listener.refused)
  }
  const steps = counts.map((count, index) => count - (counts[index - 1] ?? 0))
  t.true(Math.max(...steps) <= 128, `refused per turn: ${steps.join(' ')}`)
  await listener.close()
  t.is(await accepting, 'ERR_LISTENER_CLOSED')
  await crowd.ended
})

withUsers('a listener that has taken over checks, too', async t => {
  t.timeout(30_000)
  const { path, listener, users } = await open(t, 'self')
  const newer = await listen(path, { mode: 0o777, onExisting: 'takeOver', allow: { uids: [1234] } })
  t.teardown(() => newer.close())
  const accepting = newer.accept()
  const guest = stranger(t, path, visitor)
  const socket = await accepting
  socket.end('welcome')
  socket.resume()
  t.deepEqual(await outcomes(t, guest), ['welcome'])
  t.deepEqual([listener.refused, newer.refused, users], [0, 0, []])
})

withUsers('an inherited listener checks, too, also connections that came before', async t => {
  t.timeout(30_000)
  const home = directory(t)
  chmodSync(home, 0o755)
  const path = `${home}/s`
  const doorkeeper = fileURLToPath(new URL('../programs/doorkeeper.js', import.meta.url))
  const command = [process.execPath, doorkeeper, JSON.stringify({ allow: 'self' })]
  const parent = startFile(t, python, 'handover.py', [path, ...command])
  await parent.prints('bound')
  const guest = stranger(t, path, visitor)
  await guest.prints('connected')
  parent.stdin.write('go on\n')
  t.deepEqual(await outcomes(t, guest), [''])
  const client = await connect(path, { peerUid: me })
  t.is(String(await receiveAll(client)), 'welcome')
  client.destroy()
})

// Users without a number.

withNamespaces(
  'in a user namespace, users without a number there are not allowed, whatever their groups',
  async t => {
    t.timeout(30_000)
    const home = directory(t)
    chmodSync(home, 0o755)
    const path = `${home}/s`
    // Only user and group 0 have numbers there.
    const shell = ['unshare', '-U', '-r', 'sh', '-c', 'exec "$@"', 'sh']
    const allow = { uids: [0], gids: [0] }
    const keeper = startBehind(t, shell, 'doorkeeper.js', [JSON.stringify({ allow }), path])
    await keeper.prints('listening')
    t.deepEqual(await outcomes(t, stranger(t, path, { uid: 1234, gid: 0, groups: [0] })), [''])
    t.deepEqual(await outcomes(t, stranger(t, path, { uid: 1234, gid: 1234 })), [''])
    t.deepEqual(await outcomes(t, stranger(t, path, { uid: 0, gid: 1234 })), ['welcome'])
    keeper.stdin.end()
    const { output } = await keeper.ended
    t.deepEqual(JSON.parse(output.split('\n')[1]!), { users: [0], refused: 2 })
  },
)

withNamespaces("a process whose user has no number cannot allow 'self'", async t => {
  t.timeout(30_000)
  const shell = ['unshare', '-U', 'sh', '-c', 'exec "$@"', 'sh']
  for (const [allow, outcome] of [
    ['self', 'ERR_INVALID_ARG_VALUE'],
    [{ uids: [1] }, 'listening'],
  ] as const) {
    const path = places.path(t)
    const keeper = startBehind(t, shell, 'doorkeeper.js', [JSON.stringify({ allow }), path])
    t.is(await keeper.nextLine(), outcome)
    keeper.stdin.end()
    await keeper.ended
  }
})

onLinux('the overflow id is refused as an argument', async t => {
  const [user, group] = ['uid', 'gid'].map(kind =>
    Number(readFileSync(`/proc/sys/kernel/overflow${kind}`, 'utf8')),
  ) as [number, number]
  const path = places.path(t)
  const expected = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE', message: /overflow id/ }
  await t.throwsAsync(listen(path, { allow: { uids: [0, user] } }), expected)
  await t.throwsAsync(listen(path, { allow: { gids: [group] } }), expected)
  await t.throwsAsync(connect(path, { peerUid: user }), expected)
  await t.throwsAsync(connect(path, { peerUid: [0, user] }), expected)
})

// Arguments.

test('invalid values of allow and peerUid are refused, before any system call', async t => {
  const path = places.path(t)
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' } as const
  const value = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' } as const
  const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' } as const
  const holes = Array<number>(2)
  const refusals: [unknown, object][] = [
    [null, type],
    [0, type],
    [true, type],
    [() => {}, type],
    ['Self', value],
    ['', value],
    [{}, value],
    [[], value],
    [{ uids: [] }, value],
    [{ uids: [], gids: [] }, value],
    [{ uids: undefined }, value],
    [{ uid: [0] }, value],
    [{ uids: [0], users: [0] }, value],
    [{ uids: 0 }, type],
    [{ uids: new Set([0]) }, type],
    [{ gids: ['0'] }, type],
    [{ uids: holes }, type],
    [{ uids: [null] }, type],
    [{ uids: [-1] }, range],
    [{ uids: [0.5] }, range],
    [{ gids: [NaN] }, range],
    [{ gids: [0, 2 ** 32 - 1] }, range],
  ]
  for (const [allow, error] of refusals)
    await t.throwsAsync(listen(path, { allow } as never), error, `allow: ${JSON.stringify(allow)}`)
  for (const [peerUid, error] of [
    [null, type],
    ['0', type],
    [true, type],
    [{}, type],
    [new Uint32Array(1), type],
    [['0'], type],
    [holes, type],
    [[], value],
    [-1, range],
    [0.5, range],
    [NaN, range],
    [2 ** 32 - 1, range],
    [[0, Infinity], range],
  ] as [unknown, object][])
    await t.throwsAsync(connect(path, { peerUid } as never), error, `peerUid: ${JSON.stringify(peerUid)}`)
  await t.throwsAsync(connect(path, { peerUid: 2 ** 32 - 2 }), { code: 'ENOENT' })
})
