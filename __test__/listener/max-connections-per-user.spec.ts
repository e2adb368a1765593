import { chmodSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import {
  connect,
  listen,
  type ListenOptions,
  type PeerCredentials,
  type UnixListener,
  type UnixSocket,
} from '../../index.js'
import { directory, everyPlace, eventually, listening, receiveAll } from '../helpers/sockets.js'
import { type Program, runs, startFile } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

const python = '/usr/bin/python3'
const me = process.geteuid!()
const canChangeUser = me === 0 && runs(python, '-c', 'import os; os.setuid(1234)')
const withUsers = canChangeUser ? test : test.skip
if (!canChangeUser) console.log('# two users: skipped, this needs root and /usr/bin/python3')

/** A listener that every user can connect to, whose connections stay open. */
async function open(
  t: ExecutionContext,
  options: ListenOptions,
): Promise<{
  path: string
  listener: UnixListener
  dropped: (PeerCredentials | undefined)[]
  sockets: UnixSocket[]
}> {
  const home = directory(t)
  chmodSync(home, 0o755)
  const path = `${home}/s`
  const listener = await listen(path, { mode: 0o777, backlog: 200, ...options })
  const { dropped, sockets } = follow(t, listener)
  return { path, listener, dropped, sockets }
}

function follow(t: ExecutionContext, listener: UnixListener) {
  const dropped: (PeerCredentials | undefined)[] = []
  const sockets: UnixSocket[] = []
  listener.on('drop', peer => dropped.push(peer))
  void (async () => {
    for await (const socket of listener) sockets.push(socket.resume())
  })()
  t.teardown(async () => {
    await listener.close()
    for (const socket of sockets) socket.destroy()
  })
  return { dropped, sockets }
}

function visitors(t: ExecutionContext, path: string, uid: number, count: number): Program {
  return startFile(t, python, 'stranger.py', [path, String(uid), String(uid), '', String(count)])
}

withUsers(
  'one user does not take all of maxConnections, and a place is free again when its connection closes',
  async t => {
    t.timeout(60_000)
    const { path, listener, dropped, sockets } = await open(t, {
      maxConnections: 5,
      maxConnectionsPerUser: 3,
    })
    const greedy = visitors(t, path, 1234, 100)
    await eventually('97 are refused', () => listener.refused === 97 && dropped.length === 97)
    t.deepEqual([...new Set(dropped.map(peer => peer?.uid))], [1234])
    t.deepEqual(
      sockets.map(({ peer }) => peer.uid),
      [1234, 1234, 1234],
    )
    const own = await connect(path)
    t.teardown(() => own.destroy())
    await eventually('another user has a place', () => sockets.length === 4)
    t.is(sockets[3]!.peer.uid, me)

    sockets[1]!.destroy()
    await eventually('it is closed', () => sockets[1]!.closed)
    const late = visitors(t, path, 1234, 2)
    await eventually(
      'one has a place, the other has none',
      () => sockets.length === 5 && dropped.length === 98,
    )
    for (const socket of sockets) socket.end('welcome').destroy()
    const outcomes = await Promise.all(
      [greedy, late].map(
        async program => JSON.parse((await program.ended).output.split('\n').at(-1)!) as string[],
      ),
    )
    // Each that was refused reads a clean end.
    t.is(outcomes[0]!.filter(outcome => outcome === '').length, 98)
    t.deepEqual(outcomes[1]!.toSorted(), ['', 'welcome'])
    t.is(listener.refused, 98)
  },
)

for (const place of everyPlace)
  test(`a user's connections beyond maxConnectionsPerUser are closed and reported (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 200, maxConnectionsPerUser: 2 })
    const { dropped, sockets } = follow(t, listener)
    // More than a turn takes.
    const clients = await Promise.all(Array.from({ length: 150 }, () => connect(listener.path)))
    t.teardown(() => clients.forEach(client => client.destroy()))
    await eventually('the others are refused', () => dropped.length === 148)
    t.deepEqual([listener.refused, sockets.length], [148, 2])
    t.is(dropped[0]?.uid, me)
    t.is(String(await receiveAll(clients.at(-1)!)), '')
    for (const socket of sockets) socket.destroy()
    await eventually('both are closed', () => sockets.every(socket => socket.closed))
    const next = await connect(listener.path)
    t.teardown(() => next.destroy())
    await eventually('there is room again', () => sockets.length === 3)
    t.is(listener.refused, 148)
  })

test('maxConnectionsPerUser is an integer from 1 up', async t => {
  const path = `${directory(t)}/s`
  for (const maxConnectionsPerUser of [0, -1, 0.5, 2 ** 31, NaN, Infinity])
    await t.throwsAsync(listen(path, { maxConnectionsPerUser }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(listen(path, { maxConnectionsPerUser: '1' as never }), { code: 'ERR_INVALID_ARG_TYPE' })
})
