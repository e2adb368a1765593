// ClamAV's clamd scans files that it gets as descriptors: by its command FILDES, which `clamdscan --fdpass` sends, too.
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect, Descriptor } from '../../index.js'
import { receiveAll } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { located, needing, ServerProgram, unpackedServers } from './servers.js'

const programs = { clamd: located('clamd', [unpackedServers]) }
const withClamd = needing(programs)

const infected = 'the bytes of a test, which one signature knows as a whole'
const pattern = 'a pattern that is infected'
const found = { whole: 'Spec.Whole.UNOFFICIAL FOUND', pattern: 'Spec.Pattern.UNOFFICIAL FOUND' }

let server
let path

/** A new descriptor of a file that no longer has a path, so that nobody can open it by one. */
function unlinked(content) {
  const file = join(server.directory, 'file')
  writeFileSync(file, content)
  const fd = openSync(file, 'r')
  unlinkSync(file)
  return fd
}

/** Has clamd scan one file, over a connection of its own. */
async function scan(content) {
  const fd = unlinked(content)
  const socket = await connect(path, { allowHalfOpen: false })
  socket.write('zFILDES\0')
  socket.write('\0', { descriptors: [fd] })
  closeSync(fd)
  return /^fd\[\d+\]: (.*)\0$/.exec(await receiveAll(socket))?.[1]
}

/** What the files of the session have in them. */
function contentOf(number) {
  if (number % 10 === 3) return `${number} ${pattern}`
  return number === 7 ? infected : `file ${number}`
}

function verdictOf(number) {
  if (number % 10 === 3) return found.pattern
  return number === 7 ? found.whole : 'OK'
}

async function ping() {
  const socket = await connect(path, { allowHalfOpen: false })
  socket.write('zPING\0')
  return String(await receiveAll(socket)) === 'PONG\0'
}

test.before(async () => {
  if (programs.clamd === undefined) return
  server = new ServerProgram('root')
  path = join(server.directory, 's')
  const signatures = join(server.directory, 'signatures')
  mkdirSync(signatures)
  const hash = createHash('md5').update(infected).digest('hex')
  writeFileSync(join(signatures, 'spec.hdb'), `${hash}:${infected.length}:Spec.Whole\n`)
  writeFileSync(join(signatures, 'spec.ndb'), `Spec.Pattern:0:*:${Buffer.from(pattern).toString('hex')}\n`)
  const settings = {
    LocalSocket: path,
    DatabaseDirectory: signatures,
    TemporaryDirectory: server.directory,
    Foreground: 'yes',
    MaxThreads: '4',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`)
  writeFileSync(join(server.directory, 'clamd.conf'), lines.join(''))
  await server.start(programs.clamd, [`--config-file=${join(server.directory, 'clamd.conf')}`], ping)
})

test.after.always(() => server?.remove('SIGKILL'))

leavesNoDescriptors(test.serial)

withClamd('clamd scans the files whose descriptors it gets', async t => {
  t.timeout(60_000)
  t.is(await scan('nothing to find'), 'OK')
  t.is(await scan(infected), found.whole)
  t.is(await scan(`${'x'.repeat(1_000_000)}${pattern}${'x'.repeat(1_000_000)}`), found.pattern)
  t.is(await scan(''), 'OK')
})

withClamd('clamd scans many files in one session, whose answers tell which is infected', async t => {
  t.timeout(110_000)
  const count = 500
  const socket = await connect(path, { allowHalfOpen: false })
  socket.write('zIDSESSION\0')
  for (let number = 1; number <= count; number++) {
    socket.write('zFILDES\0')
    socket.write('\0', { descriptors: [Descriptor.from(unlinked(contentOf(number)))] })
  }
  let text = ''
  const verdicts = new Map()
  for await (const chunk of socket) {
    text += chunk
    const answers = text.split('\0')
    text = answers.pop()
    for (const answer of answers) {
      const [, number, verdict] = /^(\d+): fd\[\d+\]: (.*)$/.exec(answer) ?? [answer, 0, answer]
      verdicts.set(Number(number), verdict)
    }
    if (verdicts.size === count) break
  }
  t.deepEqual(
    [...verdicts].toSorted(([one], [other]) => one - other),
    Array.from({ length: count }, (_, index) => [index + 1, verdictOf(index + 1)]),
  )
})
