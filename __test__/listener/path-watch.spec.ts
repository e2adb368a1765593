import test from 'ava'
import { mkdirSync, renameSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { connect, listen } from '../../index.js'
import { directory, eventually, once } from '../helpers/sockets.js'
import { answer, Program, runs } from '../helpers/program.js'

const program = fileURLToPath(new URL('../programs/path-watch.js', import.meta.url))
const isLinux = process.platform === 'linux'
/** Prepares a place where the kernel watches nothing for this user. */
const withoutInotify = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
const canLimit = isLinux && runs('unshare', '-Ur', 'sh', '-c', withoutInotify, 'sh', 'true')

interface Outcome {
  fewest: number
  reports: [string, number][]
}

const places: Record<string, string[]> = {
  'with two listeners': ['sh', '-c', 'exec "$@"', 'sh', process.execPath, program, '2'],
  'with 1,000 listeners': ['sh', '-c', 'exec "$@"', 'sh', process.execPath, program, '1000'],
  'without inotify': ['unshare', '-Ur', 'sh', '-c', withoutInotify, 'sh', process.execPath, program, '100'],
}

for (const [place, command] of Object.entries(places)) {
  const title = `an idle process ${place} sleeps, and what becomes of a path is reported within a second`
  const isPossible = isLinux && (place !== 'without inotify' || canLimit)
  // One after another: the time counts.
  const run = isPossible ? test.serial : test.serial.skip
  run(title, async t => {
    t.timeout(60_000)
    const [count, ...rest] = command.toReversed()
    const args = [...rest.toReversed(), directory(t), count!]
    const outcome = await answer<Outcome>(t, new Program(t, args[0]!, args.slice(1)))
    t.true(outcome.fewest <= 2, `${outcome.fewest} wake-ups a second`)
    t.deepEqual(
      outcome.reports.map(([name]) => name),
      ['pathlost', 'superseded'],
    )
    for (const [name, time] of outcome.reports) t.true(time < 1000, `${name} after ${time} ms`)
  })
}

test('a directory or a link on the way that is moved means pathlost, and the way back is no news', async t => {
  t.timeout(60_000)
  const home = directory(t)
  mkdirSync(`${home}/a/b`, { recursive: true })
  mkdirSync(`${home}/c`)
  symlinkSync('a', `${home}/link`)
  const listener = await listen(`${home}/link/b/s`, { unlinkOnClose: true })
  for (const [from, to] of [
    ['a', 'aside'],
    ['a/b', 'a/aside'],
    ['link', 'aside'],
  ] as const) {
    // A busy machine may delay the news, also that of the way back.
    let time = Infinity
    for (let tries = 0; tries < 3 && time >= 1000; tries++) {
      const lost = once(listener, 'pathlost').then(() => 'lost')
      const begin = performance.now()
      renameSync(`${home}/${from}`, `${home}/${to}`)
      const late = new Promise(resolve => setTimeout(resolve, 5000))
      if ((await Promise.race([lost, late])) === 'lost') time = performance.now() - begin
      renameSync(`${home}/${to}`, `${home}/${from}`)
      await eventually('it is found again', async () => {
        const client = await connect(`${home}/link/b/s`)
        client.destroy()
        return true
      })
      // Seen before the next one is lost.
      await new Promise(resolve => setTimeout(resolve, 800))
    }
    t.true(time < 1000, from)
  }
  await listener.close()
})
