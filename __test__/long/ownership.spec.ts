import test, { type ExecutionContext } from 'ava'
import { chmodSync, existsSync, lstatSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { connect, listen, type ListenOptions } from '../../index.js'
import { directory, places, receiveAll } from '../helpers/sockets.js'
import { type Program, start, runs, startFile } from '../helpers/program.js'
import { requestsUnder } from '../helpers/takeover.js'

const patience = 9 * 60_000

function tell(owner: Program, deed: string, path?: string, options?: ListenOptions): Promise<string> {
  owner.stdin.write(path === undefined ? `${deed}\n` : `${deed} ${path} ${JSON.stringify(options)}\n`)
  return owner.nextLine()
}

async function isServed(path: string): Promise<boolean> {
  const client = await connect(path)
  client.end('hello')
  const answer = String(await receiveAll(client))
  client.destroy()
  return answer === 'hello'
}

for (const [starters, rounds] of [
  [2, 1000],
  [8, 200],
] as const) {
  test.serial(`${starters} processes start at once on a stale path, ${rounds} times: one wins`, async t => {
    t.timeout(patience)
    const path = places.path(t)
    const owners = Array.from({ length: starters }, () => start(t, 'owner.js'))
    await (await listen(path)).close()
    for (let round = 0; round < rounds; round++) {
      const wish = { onExisting: 'replaceStale', backlog: 32 } as const
      const outcomes = await Promise.all(owners.map(owner => tell(owner, 'listen', path, wish)))
      const expected = ['listening', ...Array.from({ length: starters - 1 }, () => 'EADDRINUSE')]
      t.deepEqual(outcomes.toSorted().toReversed(), expected, `round ${round}`)
      if (round % 10 === 0) t.true(await isServed(path))
      await tell(owners[outcomes.indexOf('listening')]!, 'close')
      t.true(existsSync(path))
    }
    t.deepEqual(readdirSync(dirname(path)), ['s'])
  })
}

test.serial('a close that races a start 1,000 times spares the newcomer’s file', async t => {
  t.timeout(patience)
  const path = places.path(t)
  let [old, newcomer] = [start(t, 'owner.js'), start(t, 'owner.js')]
  const ways = ['error', 'replaceStale', 'takeOver'] as const
  const met = { atOnce: 0, later: 0 }
  t.is(await tell(old, 'listen', path, { unlinkOnClose: true }), 'listening')
  for (let round = 0; round < 1000; round++) {
    const wish = { onExisting: ways[round % 3], unlinkOnClose: true }
    // Either goes first in turn.
    const both =
      round % 2 === 0
        ? [tell(old, 'close'), tell(newcomer, 'listen', path, wish)]
        : [tell(newcomer, 'listen', path, wish), tell(old, 'close')].toReversed()
    let [closed, outcome] = await Promise.all(both)
    t.is(closed, 'closed')
    if (outcome === 'listening') met.atOnce++
    else met.later++
    while (outcome === 'EADDRINUSE') outcome = await tell(newcomer, 'listen', path, wish)
    t.is(outcome, 'listening')
    t.true(lstatSync(path).isSocket(), `round ${round}`)
    t.true(await isServed(path))
    ;[old, newcomer] = [newcomer, old]
  }
  t.log(`${met.atOnce} newcomers listened at once, ${met.later} after EADDRINUSE`)
  t.true(met.atOnce > 0)
  await tell(old, 'close')
  t.deepEqual(readdirSync(dirname(path)), [])
})

test.serial('a server that is killed starts again on its path, 200 times', async t => {
  t.timeout(patience)
  const path = places.path(t)
  for (let round = 0; round < 200; round++) {
    const owner = start(t, 'owner.js')
    const onExisting = round % 2 === 0 ? 'replaceStale' : 'takeOver'
    t.is(await tell(owner, 'listen', path, { onExisting, unlinkOnClose: true }), 'listening')
    t.true(await isServed(path))
    owner.kill('SIGKILL')
    await owner.ended
    t.deepEqual(readdirSync(dirname(path)), ['s'])
  }
})

test.serial('300 takeovers under at least 20,000 requests: every one is answered', async t => {
  t.timeout(patience)
  const path = places.path(t)
  const { requests, takeovers, closed } = await requestsUnder(path, 300, 20_000)
  t.log(`${requests} requests, ${takeovers} takeovers`)
  t.is(takeovers, 300)
  t.is(closed, 300)
  t.true(requests >= 20_000)
  t.deepEqual(readdirSync(dirname(path)), ['s'])
})

const python = '/usr/bin/python3'
const canChangeUser = process.geteuid?.() === 0 && runs(python, '-c', 'import os; os.setuid(1234)')
const withUsers = canChangeUser ? test.serial : test.skip
if (!canChangeUser) console.log('# another user: skipped, this needs root and /usr/bin/python3')

async function intrusions(
  t: ExecutionContext,
  mode: number | undefined,
): Promise<{ tries: number; refused: number; through: number }> {
  const home = directory(t)
  chmodSync(home, 0o755)
  const path = `${home}/s`
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const intruder = startFile(t, python, 'intruder.py', [path])
  await intruder.prints('trying')
  for (let round = 0; round < 200; round++) {
    const onExisting = round % 2 === 0 ? 'replaceStale' : 'takeOver'
    const listener = await listen(path, { mode, onExisting, unlinkOnClose: round % 3 === 0, backlog: 64 })
    await new Promise(resolve => setTimeout(resolve, 2))
    await listener.close()
  }
  intruder.stdin.end()
  const { output, errors, code } = await intruder.ended
  t.deepEqual([code, errors], [0, ''])
  return JSON.parse(output.split('\n').at(-1)!)
}

withUsers(
  'another user who keeps connecting during 200 starts with mode 0600 never gets through',
  async t => {
    t.timeout(patience)
    const { tries, refused, through } = await intrusions(t, 0o600)
    t.log(`${tries} attempts, ${refused} of them refused while a listener was there`)
    t.is(through, 0)
    t.true(refused > 200)
    // The control: without a mode, under the same umask, the user gets through.
    t.true((await intrusions(t, undefined)).through > 0)
  },
)
