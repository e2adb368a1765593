// What docs/recipes.md says about programs around a socket: containers, systemd, ssh. The commands come from that page.
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect, listen } from '../../index.js'
import { Program, runs } from '../helpers/program.ts'
import { project, root } from '../helpers/project.ts'
import { eventually, receiveAll } from '../helpers/sockets.ts'

const recipes = readFileSync(join(root, 'docs/recipes.md'), 'utf8')

/** The code block of the page that has `text`. */
function block(text) {
  return [...recipes.matchAll(/^```.*\n((?:.*\n)*?)```$/gm)]
    .map(([, code]) => code)
    .find(code => code.includes(text))
}

const isRoot = process.geteuid?.() === 0

/** Answers each client with `answer(client)`. */
async function answering(t, path, options, answer) {
  const listener = await listen(path, { backlog: 16, unlinkOnClose: true, ...options })
  const serving = (async () => {
    for await (const socket of listener) {
      socket.on('error', () => {})
      socket.resume().end(answer(socket))
    }
  })()
  const close = async () => {
    await listener.close()
    await serving
  }
  t.teardown(close)
  return close
}

/** Returns the answer of the server at the path, or the code of the failure. */
async function ask(path) {
  try {
    const socket = await connect(path, { timeout: 5000 })
    socket.end()
    return String(await receiveAll(socket))
  } catch (error) {
    return error.code
  }
}

// Containers.

const asUser = isRoot ? [] : ['--user', '--map-root-user']
const container = [...asUser, '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
const canMount = runs('unshare', ...container, 'true')
const withContainers = canMount ? test : test.skip
if (!canMount) console.log('# mounts of a container: skipped, no namespaces can be made')

/** Reads lines; prints for each what it finds at the two mounts. */
const inContainer = `
import { createInterface } from 'node:readline'
import { connect } from 'udsock'
const ask = async path => {
  try {
    const socket = await connect(path)
    socket.end()
    let text = ''
    for await (const chunk of socket) text += chunk
    return [text, 'pid' in socket.peer]
  } catch (error) {
    return error.code
  }
}
console.log('ready')
for await (const _ of createInterface(process.stdin))
  console.log(JSON.stringify([await ask('directory/app.sock'), await ask('app.sock')]))
`

withContainers(
  'a mounted directory reaches a server that has restarted, a mounted socket does not',
  async t => {
    t.timeout(60_000)
    const home = project(t)
    for (const name of ['server', 'directory']) mkdirSync(join(home, name))
    writeFileSync(join(home, 'app.sock'), '')
    writeFileSync(join(home, 'client.mjs'), inContainer)
    const path = join(home, 'server/app.sock')
    const stop = await answering(t, path, {}, () => 'first')
    const script = `cd "${home}" && mount --bind server directory && mount --bind server/app.sock app.sock && exec "$0" client.mjs`
    const client = new Program(t, 'unshare', [...container, 'sh', '-c', script, process.execPath])
    t.is(await client.nextLine(), 'ready')
    client.stdin.write('\n')
    // The server's process is not visible there.
    t.deepEqual(JSON.parse(await client.nextLine()), [
      ['first', false],
      ['first', false],
    ])
    await stop()
    await answering(t, path, {}, () => 'second')
    client.stdin.write('\n')
    t.deepEqual(JSON.parse(await client.nextLine()), [['second', false], 'ECONNREFUSED'])
  },
)

// systemd.

const activate = 'systemd-socket-activate'
const canActivate = runs(activate, '--version')
const withActivation = canActivate ? test : test.skip
if (!canActivate) console.log(`# the recipe of systemd: skipped, ${activate} is missing`)

withActivation('the service of the recipe answers on the socket of systemd', async t => {
  t.timeout(60_000)
  const home = project(t)
  const path = join(home, 'app.sock')
  const fragment = block('LISTEN_FDS').replace('/run/app/app.sock', path)
  writeFileSync(
    join(home, 'service.mjs'),
    `import { listen } from 'udsock'
${fragment}
for await (const socket of listener) socket.resume().end(\`activated: \${isActivated}\`)
`,
  )
  const service = new Program(t, activate, ['-l', path, process.execPath, join(home, 'service.mjs')])
  await eventually('systemd listens', () => existsSync(path))
  // The first client starts the service.
  t.is(await ask(path), 'activated: true')
  t.is(await ask(path), 'activated: true')
  service.kill('SIGTERM')
  await service.ended
})

// ssh.

/** sshd where a package manager installs it, or where .ci/run unpacks it. */
const sshd = ['/usr/sbin/sshd', join(root, 'target/sshd/usr/sbin/sshd')].find(file => existsSync(file))
const daemon = 1
const canLogIn = sshd !== undefined && runs('ssh', '-V') && (!isRoot || runs('setpriv', '--version'))
const withSsh = canLogIn ? test : test.skip
if (!canLogIn) console.log('# the recipe of ssh: skipped, ssh or sshd is missing')

withSsh('the command of the recipe leads from socket to socket by ssh', async t => {
  t.timeout(60_000)
  const home = project(t)
  chmodSync(home, 0o755)
  for (const name of ['key', 'host'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, name)])
  chmodSync(join(home, 'key.pub'), 0o644)
  // As root, sshd would want a user and a directory of its own. This one serves one connection, on stdin and stdout.
  const [uid, user] = isRoot
    ? [daemon, 'daemon']
    : [process.geteuid(), execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()]
  if (isRoot) chownSync(join(home, 'host'), daemon, daemon)
  const settings = {
    HostKey: join(home, 'host'),
    AuthorizedKeysFile: join(home, 'key.pub'),
    StrictModes: 'no',
    UsePAM: 'no',
    PidFile: 'none',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`)
  writeFileSync(join(home, 'sshd_config'), lines.join(''), { mode: 0o644 })
  const changed = isRoot ? `setpriv --reuid=${daemon} --regid=${daemon} --clear-groups ` : ''
  const options = {
    BatchMode: 'yes',
    IdentityFile: join(home, 'key'),
    IdentitiesOnly: 'yes',
    UserKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'no',
    LogLevel: 'ERROR',
    ProxyCommand: `${changed}${sshd} -i -f ${join(home, 'sshd_config')}`,
  }
  await answering(t, join(home, 'app.sock'), { mode: 0o666 }, ({ peer }) => `user ${peer.uid}`)
  const [, ...command] = block('ssh -N')
    .trim()
    .replaceAll('/run/app/', `${home}/`)
    .replace('user@', `${user}@`)
    .split(' ')
  const given = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const tunnel = new Program(t, 'ssh', ['-F', 'none', ...given, ...command])
  const remote = join(home, 'remote.sock')
  await eventually('ssh listens', () => existsSync(remote))
  t.is(await ask(remote), `user ${uid}`)
  t.is(await ask(remote), `user ${uid}`)
  tunnel.kill('SIGTERM')
  await tunnel.ended
})
