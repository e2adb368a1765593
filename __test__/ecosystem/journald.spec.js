// systemd-journald receives log entries in its native protocol: fields in a datagram, or in a file whose descriptor a datagram brings.
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { bindDatagram } from '../../index.js'
import { runs } from '../helpers/program.ts'
import { eventually } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { located, needing, ServerProgram } from './servers.js'

const canMount = runs('unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/run')
const programs = {
  'systemd-journald': located('systemd-journald', ['/lib/systemd']),
  journalctl: located('journalctl'),
  'right to mount': canMount || undefined,
}
const withJournald = needing(programs)

let server
/** What journald has as its root: it always listens in /run, of which it gets one of its own. */
let root
let path

/** An entry in the format of systemd's documentation "Native Journal Protocol". */
function entry(fields) {
  const parts = Object.entries(fields).map(([name, value]) => {
    if (!value.includes('\n')) return Buffer.from(`${name}=${value}\n`)
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(value)))
    return Buffer.concat([Buffer.from(`${name}\n`), length, Buffer.from(`${value}\n`)])
  })
  return Buffer.concat(parts)
}

/** The entries that journald has written of one program. */
function entriesOf(program) {
  const args = [`--directory=${root}/run/log/journal`, '--output=json', '--all', '--no-pager']
  const text = execFileSync(programs.journalctl, [...args, `SYSLOG_IDENTIFIER=${program}`], {
    encoding: 'utf8',
  })
  return text
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line))
}

test.before(async () => {
  if (Object.values(programs).includes(undefined)) return
  server = new ServerProgram('root')
  const machine = join(server.directory, 'machine-id')
  writeFileSync(machine, '0123456789abcdef0123456789abcdef\n')
  const prepared = [
    'mount -t tmpfs tmpfs /run',
    'mkdir -p /run/systemd/journal /run/log/journal',
    `if [ -e /etc/machine-id ]; then mount --bind ${machine} /etc/machine-id; fi`,
    `exec ${programs['systemd-journald']}`,
  ]
  await server.start('unshare', ['--mount', 'sh', '-c', prepared.join(' && ')], async () => {
    root = `/proc/${server.pid}/root`
    path = `${root}/run/systemd/journal/socket`
    if (!existsSync(path)) return false
    const socket = await bindDatagram()
    try {
      await socket.sendAndWait(entry({ MESSAGE: 'ready', SYSLOG_IDENTIFIER: 'ready' }), { to: path })
    } finally {
      socket.destroy()
    }
    return entriesOf('ready').length > 0
  })
})

test.after.always(() => server?.remove('SIGKILL'))

leavesNoDescriptors(test.serial)

withJournald('journald has every entry, with its fields and its sender', async t => {
  t.timeout(60_000)
  const socket = await bindDatagram()
  await socket.connect(path)
  const count = 500
  for (let number = 0; number < count; number++)
    socket.send(
      entry({
        MESSAGE: number % 2 === 0 ? `line ${number}` : `two\nlines ${number}`,
        PRIORITY: '4',
        SYSLOG_IDENTIFIER: 'fields',
        NUMBER: `${number}`,
      }),
    )
  await socket.close()
  await eventually('all are written', () => entriesOf('fields').length === count)
  for (const [number, { MESSAGE, PRIORITY, NUMBER, _UID, _PID }] of entriesOf('fields').entries()) {
    t.is(MESSAGE, number % 2 === 0 ? `line ${number}` : `two\nlines ${number}`)
    t.deepEqual([PRIORITY, NUMBER], ['4', `${number}`])
    t.deepEqual([_UID, _PID], [`${process.getuid()}`, `${process.pid}`])
  }
})

withJournald('journald reads an entry too long for a datagram from a descriptor', async t => {
  t.timeout(60_000)
  const message = 'long '.repeat(200_000)
  const file = join(server.directory, 'entry')
  writeFileSync(file, entry({ MESSAGE: message, SYSLOG_IDENTIFIER: 'descriptor' }))
  const fd = openSync(file, 'r')
  unlinkSync(file)
  const socket = await bindDatagram()
  // The datagram itself is empty.
  await socket.sendAndWait('', { to: path, descriptors: [fd] })
  closeSync(fd)
  await socket.close()
  await eventually('it is written', () => entriesOf('descriptor').length === 1)
  t.is(entriesOf('descriptor')[0].MESSAGE, message)
})
