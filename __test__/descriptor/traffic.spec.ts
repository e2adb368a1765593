import test, { type ExecutionContext } from 'ava'
import { answer, runs, start, startOn, type Waker } from '../helpers/program.js'
import { places } from '../helpers/sockets.js'

interface Came {
  bytes: number
  descriptors: number
  broken: string[]
  left: number
  failure: string | null
}

test('thousands of descriptors go both ways at once, with their bytes', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  const server = start(t, 'descriptor-stress.js', ['serve', path, '3000', 'live'])
  await server.prints('listening')
  const client = await answer<Came>(t, start(t, 'descriptor-stress.js', ['connect', path, '3000', 'live']))
  const served = JSON.parse((await server.ended).output.split('\n').at(-1)!) as Came
  for (const side of [client, served]) t.like(side, { descriptors: 3000, broken: [], left: 0, failure: null })
})

for (const dies of ['server', 'client'] as const)
  test(`no descriptor is left when the ${dies} is killed in the middle`, async t => {
    t.timeout(60_000)
    const path = places.path(t)
    const fate = (role: string): string => (role === dies ? 'die' : 'survive')
    const server = start(t, 'descriptor-stress.js', ['serve', path, '30000', fate('server')])
    await server.prints('listening')
    const client = start(t, 'descriptor-stress.js', ['connect', path, '30000', fate('client')])
    const [ended, killed] = await Promise.all(
      dies === 'server' ? [client.ended, server.ended] : [server.ended, client.ended],
    )
    t.is(killed.signal, 'SIGKILL')
    const { broken, left, failure } = JSON.parse(ended.output.split('\n').at(-1)!) as Came
    t.deepEqual([broken, left], [[], 0])
    t.true(['EPIPE', 'ECONNRESET'].includes(failure!), failure!)
  })

const isRoot = process.geteuid?.() === 0 && runs('setpriv', '--version')
if (!isRoot) console.log('# descriptors under way: skipped, this needs root')
const asRoot = isRoot ? test : test.skip

interface Limited {
  before: number
  text: string
  arrived: number
  failure: string | null
}

/** Sends 20 messages of 8 descriptors each from a process that may have 64 open. */
function limited(t: ExecutionContext, whenTooMany: string, type: string): Promise<Limited> {
  const waker = (process.env['UDSOCK_WAKER'] ?? 'uv') as Waker
  return answer(t, startOn(t, waker, 'descriptor-limit.js', [whenTooMany, type], 64))
}

for (const type of ['stream', 'seqpacket', 'datagram']) {
  asRoot(`descriptors wait while too many of the user are under way (${type})`, async t => {
    const { before, ...rest } = await limited(t, 'wait', type)
    t.true(before > 0 && before < 20, `${before}`)
    t.deepEqual(rest, { text: '01234567890123456789', arrived: 160, failure: null })
  })

  asRoot(`a send fails while too many descriptors are under way, if that is wanted (${type})`, async t => {
    const { before, text, arrived, failure } = await limited(t, 'error', type)
    t.is(failure, 'ETOOMANYREFS')
    t.deepEqual([text, arrived], ['01234567890123456789'.slice(0, before), 8 * before])
  })
}
