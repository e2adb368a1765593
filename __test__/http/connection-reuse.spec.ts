import { AsyncLocalStorage } from 'node:async_hooks'
import { statSync } from 'node:fs'
import http, { type ClientRequest, type RequestOptions } from 'node:http'
import https from 'node:https'
import nodeNet from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { Agent, HttpsAgent } from '../../http.js'
import net from '../../net.js'
import { cert, key } from '../helpers/certificate.js'
import { eventually, once, places } from '../helpers/sockets.js'
import { answerTo } from '../helpers/http.js'
import { type Program, startFile } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Options = http.AgentOptions & { secure?: boolean }

/** A server in a process of its own, which sends unasked responses, and an agent for it. */
async function stranger(
  t: ExecutionContext,
  { secure = false, ...options }: Options = {},
): Promise<{
  program: Program
  get: (path: string, more?: RequestOptions) => ClientRequest
  agent: Agent | HttpsAgent
  block: (count: number) => void
}> {
  const path = places.path(t)
  const program = startFile(t, process.execPath, 'unasked-responses.js', [
    path,
    ...(secure ? [key, cert] : []),
  ])
  await program.nextLine()
  const kept = { keepAlive: true, ...options }
  const agent = secure ? new HttpsAgent(path, { ca: cert, ...kept }) : new Agent(path, kept)
  t.teardown(() => agent.destroy())
  const get = (where: string, more: RequestOptions = {}): ClientRequest =>
    secure
      ? https.get({ agent, host: 'udsock.test', path: where, ...more })
      : http.get({ agent, path: where, ...more })
  return { program, get, agent, block: blocker(path) }
}

const text = async (sent: ClientRequest): Promise<string> => String((await answerTo(sent)).body)
/** The body, when the connection is free again: node:http frees it in the same tick as 'close'. */
async function textAndFree(sent: ClientRequest): Promise<string> {
  const closed = once(sent, 'close')
  const body = await text(sent)
  await closed
  return body
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** Returns a function that keeps the event loop from everything until the server has done so much more behind its answers. */
function blocker(path: string): (count: number) => void {
  const done = (): number => statSync(`${path}.later`, { throwIfNoEntry: false })?.size ?? 0
  let expected = 0
  return count => {
    expected += count
    for (const end = Date.now() + 20_000; done() < expected && Date.now() < end;);
  }
}

for (const secure of [false, true]) {
  const over = secure ? ' (TLS)' : ''

  test(`a response that comes unasked on an idle connection answers no request${over}`, async t => {
    t.timeout(30_000)
    const { get, agent } = await stranger(t, { secure, maxSockets: 1 })
    for (let round = 0; round < 3; round++) {
      t.is(await textAndFree(get('/unasked-later')), 'answer to /unasked-later')
      await eventually('the agent has given it up', () => Object.keys(agent.freeSockets).length === 0)
      t.is(await text(get('/next')), 'answer to /next')
    }
  })

  // Serial, as all that block the event loop.
  test.serial(
    `a response that comes unasked while the event loop is busy answers no request${over}`,
    async t => {
      t.timeout(30_000)
      const { get, block } = await stranger(t, { secure, maxSockets: 1 })
      for (let round = 0; round < 3; round++) {
        t.is(await textAndFree(get('/unasked-later')), 'answer to /unasked-later')
        block(1)
        t.is(await text(get(`/next/${round}`)), `answer to /next/${round}`)
      }
    },
  )

  test.serial(
    `a response that comes unasked answers no request that waits for the connection${over}`,
    async t => {
      t.timeout(30_000)
      const { get, block } = await stranger(t, { secure, maxSockets: 1 })
      const first = get('/unasked-later')
      first.on('response', response => response.on('end', () => block(1)).resume())
      const others = ['/a', '/b', '/c'].map(path => text(get(path)))
      t.deepEqual(await Promise.all(others), ['answer to /a', 'answer to /b', 'answer to /c'])
    },
  )
}

for (const scheduling of ['fifo', 'lifo'] as const)
  test.serial(`no request goes over a connection that the server has closed (${scheduling})`, async t => {
    t.timeout(60_000)
    const { get, block } = await stranger(t, { scheduling })
    for (let round = 0; round < 20; round++) {
      const paths = ['/', '/close', '/close-later', '/', '/close']
      const answers = await Promise.all(paths.map(path => text(get(path))))
      t.deepEqual(
        answers,
        paths.map(path => `answer to ${path}`),
      )
      if (round % 3 === 0) await turn()
      // The ends are in the kernel, and the event loop has not seen them.
      block(3)
    }
  })

test.serial('maxSockets and maxTotalSockets hold while connections are closed and given up', async t => {
  t.timeout(60_000)
  const { program, get, agent, block } = await stranger(t, { maxSockets: 3, maxTotalSockets: 3 })
  for (let round = 0; round < 5; round++) {
    const paths = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? '/' : '/last'))
    const answers = await Promise.all([...paths, '/close'].map(path => text(get(path))))
    t.deepEqual(
      answers,
      [...paths, '/close'].map(path => `answer to ${path}`),
    )
    t.true((agent as unknown as { totalSocketCount: number }).totalSocketCount <= 3)
    block(1)
  }
  program.stdin.write('most\n')
  // The server sees later that the agent has closed a connection.
  t.true(Number(await program.nextLine()) <= 6)
})

const fromNode22 = Number(process.versions.node.split('.')[0]) >= 22 ? test.serial : test.serial.skip

fromNode22("Node's own agent asks sockets of udsock/net, too", async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const program = startFile(t, process.execPath, 'unasked-responses.js', [path])
  await program.nextLine()
  const answers: string[][] = []
  const block = blocker(path)
  for (const { connect } of [nodeNet, net]) {
    const agent = Object.assign(new http.Agent({ keepAlive: true, maxSockets: 1 }), {
      createConnection: () => connect(path),
    })
    t.teardown(() => agent.destroy())
    const seen = [await textAndFree(http.get({ agent, path: '/unasked-later' }))]
    block(1)
    seen.push(await text(http.get({ agent, path: '/next' })))
    answers.push(seen)
  }
  t.deepEqual(answers[1], answers[0])
})

// Async contexts.

const storage = new AsyncLocalStorage<string>()

for (const queued of [false, true])
  test(`the events of a request come in its context, also over a connection that ${queued ? 'it waited for' : 'was idle'}`, async t => {
    t.timeout(30_000)
    const { get: _get, agent } = await stranger(t, { maxSockets: 1 })
    const seen: Record<string, string | undefined> = {}
    const send = (id: string, path: string): Promise<void> => {
      const note = (what: string) => (): void => void (seen[`${what} of ${id}`] = storage.getStore())
      return storage.run(id, async () => {
        const sent = http.request({ agent, path, method: 'POST', timeout: path === '/never' ? 100 : 20_000 })
        for (const event of ['socket', 'finish', 'response', 'timeout', 'error', 'close'])
          sent.on(event, note(`'${event}'`))
        sent.on('response', response => {
          for (const event of ['data', 'end', 'close']) response.on(event, note(`response's '${event}'`))
        })
        sent.on('timeout', () => sent.destroy())
        sent.write(Buffer.alloc(1_000_000), note("write()'s callback"))
        sent.end(note("end()'s callback"))
        await once(sent, 'close')
        await turn()
      })
    }
    const paths = ['/post', '/post', '/never']
    if (queued) await Promise.all(paths.map((path, index) => send(`request ${index}`, path)))
    else for (const [index, path] of paths.entries()) await send(`request ${index}`, path)
    t.true(Object.keys(seen).length > 20)
    for (const [what, store] of Object.entries(seen))
      t.true(what.endsWith(` of ${store}`), `${what}: ${store}`)
  })
