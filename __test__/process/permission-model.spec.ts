import test, { type ExecutionContext } from 'ava'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { directory } from '../helpers/sockets.js'
import { answer, start } from '../helpers/program.js'

const known = process.allowedNodeEnvironmentFlags
/** Node 20 calls it experimental. */
const model = known.has('--permission') ? '--permission' : '--experimental-permission'
/** From Node 25 on sockets need a permission of their own. */
const hasNet = known.has('--allow-net')
const net = hasNet ? ['--allow-net'] : []
const reads = '--allow-fs-read=*'

type Outcome =
  'done' | { code: string; permission?: string; resource?: string; syscall: string; message: string }
type Outcomes = Record<'udsock' | 'net', { listen: Outcome; connect: Outcome }>

async function permitted(t: ExecutionContext, flags: string[], args: string[]): Promise<Outcomes[]> {
  const program = start(t, 'permitted.js', args, ['--no-warnings', model, '--allow-addons', ...flags])
  const { isSupported, report } = await answer<{ isSupported: boolean; report: Outcomes[] }>(t, program)
  t.true(isSupported)
  return report
}

const options = { FileSystemRead: '--allow-fs-read', FileSystemWrite: '--allow-fs-write', Net: '--allow-net' }

function denied(
  syscall: string,
  address: string,
  permission: keyof typeof options,
  resource = address,
): Outcome {
  const option = resource === address ? options[permission] : `${options[permission]}=${resource}`
  const message = `${syscall} ERR_ACCESS_DENIED ${address}: Node's permission model forbids it without ${option}`
  return { code: 'ERR_ACCESS_DENIED', permission, resource, syscall, message }
}

/** Both interfaces are refused at the directory's names. */
function refused(
  home: string,
  listening: keyof typeof options,
  connecting: keyof typeof options = listening,
): Outcomes {
  const at = (address: string) => ({
    listen: denied('listen', address, listening),
    connect: denied('connect', address, connecting),
  })
  return { udsock: at(`${home}/a`), net: at(`${home}/b`) }
}

const done: Outcomes = {
  udsock: { listen: 'done', connect: 'done' },
  net: { listen: 'done', connect: 'done' },
}
const ownName = (): string => `@udsock-permission-${randomBytes(8).toString('hex')}`

test('a process that may read and write there, and use the network, listens and connects', async t => {
  const home = directory(t)
  const flags = [reads, `--allow-fs-write=${home}/`, ...net]
  t.deepEqual(await permitted(t, flags, ['takeOver', home]), [done])
})

test('a process without write permission neither listens nor connects, and no system call looks at the path', async t => {
  const home = directory(t)
  const missing = `${home}/missing`
  const report = await permitted(t, [reads, ...net], ['error', home, missing])
  t.deepEqual(report, [refused(home, 'FileSystemWrite'), refused(missing, 'FileSystemWrite')])
  t.deepEqual(readdirSync(home), [])
})

test('a process without write permission neither binds a socket for datagrams nor sends to a path', async t => {
  const path = `${directory(t)}/a`
  const flags = ['--no-warnings', model, '--allow-addons', reads, ...net]
  t.deepEqual(await answer(t, start(t, 'permitted-datagrams.js', [path], flags)), {
    bind: denied('bind', path, 'FileSystemWrite'),
    send: denied('connect', path, 'FileSystemWrite'),
  })
})

const root = new URL('../../', import.meta.url).pathname
// The package may be a link to elsewhere.
const readsElsewhere = [`--allow-fs-read=${root}*`]

test('a process without read permission listens, and does not connect', async t => {
  const home = directory(t)
  const flags = [...readsElsewhere, `--allow-fs-write=${home}/`, ...net]
  const [outcomes] = await permitted(t, flags, ['error', home])
  const { udsock, net: drop } = refused(home, 'FileSystemWrite', 'FileSystemRead')
  t.deepEqual(outcomes, {
    udsock: { listen: 'done', connect: udsock.connect },
    net: { listen: 'done', connect: drop.connect },
  })
})

test('readableAll, which looks at the file, is refused without read permission, before anything is made', async t => {
  const home = directory(t)
  const flags = [...readsElsewhere, `--allow-fs-write=${home}/`, ...net]
  const [outcomes] = await permitted(t, flags, ['readableAll', home])
  t.deepEqual(outcomes?.net, refused(home, 'FileSystemRead').net)
  t.false(readdirSync(home).includes('b'))
})

test('a path that only begins like one that is allowed is refused', async t => {
  const home = directory(t)
  const flags = [reads, `--allow-fs-write=${home}/inside/`, ...net]
  const outside = `${home}/inside/../outside`
  const report = await permitted(t, flags, ['error', outside])
  for (const { syscall, outcome } of [
    { syscall: 'listen', outcome: report[0]!.udsock.listen },
    { syscall: 'connect', outcome: report[0]!.udsock.connect },
    { syscall: 'listen', outcome: report[0]!.net.listen },
    { syscall: 'connect', outcome: report[0]!.net.connect },
  ]) {
    const { code, resource, ...rest } = outcome as Exclude<Outcome, 'done'>
    t.deepEqual([code, rest.syscall, rest.permission], ['ERR_ACCESS_DENIED', syscall, 'FileSystemWrite'])
    t.is(resource, `${home}/outside/${basename(resource!)}`)
  }
})

test("'takeOver' takes leave to write the temporary name, too", async t => {
  const home = directory(t)
  const flags = [reads, `--allow-fs-write=${home}/a`, ...net]
  const temporary = `${home}/.udsock-${process.geteuid!()}`
  const [taking] = await permitted(t, flags, ['takeOver', home])
  t.deepEqual(taking!.udsock.listen, denied('listen', `${home}/a`, 'FileSystemWrite', temporary))
  const [other] = await permitted(t, flags, ['replaceStale', home])
  t.deepEqual(other!.udsock, done.udsock)
})

test('an abstract name takes leave of no file', async t => {
  t.deepEqual(await permitted(t, [reads, ...net], ['replaceStale', ownName()]), [done])
})

const withNet = hasNet ? test : test.skip

withNet('without --allow-net nothing is reached, as with node:net', async t => {
  const home = directory(t)
  const name = ownName()
  const flags = [reads, `--allow-fs-write=${home}/`]
  const [files, names] = await permitted(t, flags, ['error', home, name])
  t.deepEqual(files, refused(home, 'Net'))
  t.deepEqual(names!.udsock, {
    listen: denied('listen', name, 'Net'),
    connect: denied('connect', name, 'Net'),
  })
  t.is((names!.net.listen as Exclude<Outcome, 'done'>).permission, 'Net')
  t.is((names!.net.connect as Exclude<Outcome, 'done'>).permission, 'Net')
  t.deepEqual(readdirSync(home), [])
})

for (const flags of [[model, reads], ['--no-addons']])
  test(`a process that may load no addons gets an error that names the cause: ${flags.join(' ').replace(model, 'permission model')}`, async t => {
    const program = start(t, 'permitted.js', ['error', directory(t)], ['--no-warnings', ...flags])
    const { isSupported, report } = await answer<{ isSupported: boolean; report: Outcomes[] }>(t, program)
    t.false(isSupported)
    const reason =
      'Node was started with --permission, but without --allow-addons (or with --no-addons), and udsock is an addon'
    const { listen, connect } = report[0]!.udsock
    for (const outcome of [listen, connect]) {
      t.like(outcome, { code: 'ERR_UNSUPPORTED_PLATFORM' })
      const { message } = outcome as Exclude<Outcome, 'done'>
      t.true(message!.startsWith(`udsock cannot be used on ${process.platform} ${process.arch}`), message)
      t.true(message!.endsWith(`: ${reason}`), message)
    }
  })
