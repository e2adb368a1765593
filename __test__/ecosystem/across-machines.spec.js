import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Load } from '../../examples/across-machines/client.js'
import { directory, eventually } from '../helpers/sockets.ts'
import { Program, runs } from '../helpers/program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const example = join(root, 'examples/across-machines')
const isRoot = process.geteuid?.() === 0
const asUser = isRoot ? [] : ['--user', '--map-root-user']
const unshare = [...asUser, '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc']
const oneLink =
  'mount -t tmpfs tmpfs /run && ip netns add a && ip link add x netns a type veth peer y && ip netns exec a true'
const namespaces = runs('unshare', ...unshare, 'sh', '-c', oneLink)

/** Why the machines cannot be made here, if so. */
function obstacle(proxy) {
  const missing = ['ip', 'haproxy', proxy].find(program => !runs(program, program === 'ip' ? '-V' : '-v'))
  if (missing !== undefined) return `${missing} is missing`
  return namespaces ? undefined : 'no network namespaces can be made'
}

const CONCURRENT = 16

/** The example's machines under load, which has already reached both. */
async function running(t, proxy) {
  const home = directory(t)
  const command = [process.execPath, join(example, 'machines.js'), home, proxy]
  const machines = new Program(t, 'unshare', [...unshare, ...command])
  t.teardown(async () => {
    machines.stdin.end()
    await machines.ended
  })
  await heard(machines, ['a listens', 'b listens'])
  const edge = join(home, 'edge/edge.sock')
  const ready = async () => {
    const probe = new Load(edge, 1)
    await eventually('a request is over', () => probe.results.length > 0)
    await probe.stop()
    return probe.results.every(({ error }) => error === undefined)
  }
  await eventually('the edge is there', ready, 60)
  t.is(existsSync(join(home, 'a/nginx.pid')), proxy === 'nginx')
  const load = new Load(edge, CONCURRENT)
  t.teardown(() => load.stop())
  await bothAnswer(load)
  return { home, machines, load }
}

/** Exactly these are the next lines, in whatever order. */
async function heard(machines, expected) {
  const lines = []
  while (lines.length < expected.length) lines.push(await machines.nextLine())
  if (lines.toSorted().join() !== expected.join()) throw new Error(`instead of ${expected}: ${lines}`)
}

/** From now on each of them answers. */
async function bothAnswer(load) {
  const now = performance.now()
  const answered = (name, method) =>
    load.results.filter(result => result.began >= now && result.backend === name && result.method === method)
      .length
  for (const name of ['a', 'b'])
    for (const method of ['GET', 'POST'])
      await eventually(`${name} answers every ${method}`, () => answered(name, method) >= 20, 60)
}

/** What begins from now on. */
async function laterResults(load, count) {
  const now = performance.now()
  const later = () => load.results.filter(({ began }) => began >= now)
  await eventually(`${count} requests are over`, () => later().length >= count, 60)
  return later()
}

const failed = results => results.filter(({ error }) => error !== undefined)

/** An order is carried out where it was answered, and never twice, whatever was repeated. */
function assertOrders(t, home, results) {
  const carriedOut = new Map()
  for (const name of ['a', 'b']) {
    const orders = readFileSync(join(home, name, 'journal.txt'), 'utf8')
      .trim()
      .split('\n')
    for (const order of orders) carriedOut.set(order, [...(carriedOut.get(order) ?? []), name])
  }
  const twice = [...carriedOut].filter(([, names]) => names.length > 1)
  t.deepEqual(twice, [])
  const astray = results.filter(
    ({ method, order, backend, error }) =>
      method === 'POST' && error === undefined && carriedOut.get(order)?.[0] !== backend,
  )
  t.deepEqual(astray, [])
}

for (const proxy of ['haproxy', 'nginx']) {
  const lacking = obstacle(proxy)
  const title = what => `${what} (${proxy})${lacking === undefined ? '' : `: skipped, ${lacking}`}`
  const withMachines = lacking === undefined ? test.serial : test.serial.skip

  withMachines(title('a backend that is killed takes with it only what was in flight on it'), async t => {
    t.timeout(300_000)
    const { home, machines, load } = await running(t, proxy)
    let lost = 0
    for (const [name, other] of [
      ['b', 'a'],
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const before = load.results.length
      const asked = performance.now()
      machines.stdin.write(`kill ${name}\n`)
      await heard(machines, [`${name} ended with SIGKILL`])
      const noticed = performance.now()
      const later = await laterResults(load, 200)
      t.deepEqual([...new Set(later.map(({ backend }) => backend))], [other])

      const failures = failed(load.results).slice(lost)
      lost += failures.length
      t.true(failures.length <= CONCURRENT)
      for (const { began, method } of failures) {
        t.true(began < noticed)
        // A GET that was in flight is repeated.
        t.is(method, 'POST')
      }
      const inFlight = load.results.slice(before).filter(({ began }) => began < asked).length
      t.log(`killed ${name}: ${failures.length} failed of ${inFlight} in flight on both`)

      machines.stdin.write(`start ${name}\n`)
      await heard(machines, [`${name} listens`])
      await bothAnswer(load)
      t.is(failed(load.results).length, lost)
    }
    await load.stop()
    t.log(`${load.results.length} requests, ${lost} failed`)
    assertOrders(t, home, load.results)
  })

  withMachines(title('a backend that is told to stop ends without a failure'), async t => {
    t.timeout(300_000)
    const { home, machines, load } = await running(t, proxy)
    for (const [name, other] of [
      ['b', 'a'],
      ['a', 'b'],
    ]) {
      machines.stdin.write(`stop ${name}\n`)
      await heard(machines, [`${name} ended with 0`])
      const later = await laterResults(load, 200)
      t.deepEqual([...new Set(later.map(({ backend }) => backend))], [other])
      machines.stdin.write(`start ${name}\n`)
      await heard(machines, [`${name} listens`])
      await bothAnswer(load)
    }
    await load.stop()
    t.deepEqual(failed(load.results), [])
    t.log(`${load.results.length} requests, none failed`)
    assertOrders(t, home, load.results)
  })
}

test('the lines in the documentation are those of the example', t => {
  const recipes = readFileSync(join(root, 'docs', 'recipes.md'), 'utf8')
  const shown = /```haproxy\n(.*?)```/s
    .exec(recipes)[1]
    .split('\n')
    .map(line => line.trim())
  const files = ['machine.cfg', 'edge.cfg'].map(name => readFileSync(join(example, name), 'utf8'))
  const configured = new Set(files.flatMap(file => file.split('\n').map(line => line.trim())))
  t.deepEqual(
    shown.filter(line => !configured.has(line)),
    [],
  )
})
