// rsyslogd as the receiver of log lines, and as a sender of them.
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { bindDatagram } from '../../index.js'
import { codeOf, eventually } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { printed, projectWithExamples } from '../helpers/project.ts'
import { require } from './in-place-of-unix-dgram.js'
import { located, needing, rsyslogModules, ServerProgram, unpackedServers } from './servers.js'

const programs = { rsyslogd: located('rsyslogd', [unpackedServers]), imuxsock: rsyslogModules() }
const withRsyslog = needing(programs)

let server
let path
let file
let forwarded

const configuration = () => `
global(workDirectory="${server.directory}")
module(load="imuxsock" SysSock.Use="off")
module(load="omuxsock")
input(type="imuxsock" Socket="${path}" RateLimit.Interval="0")
template(name="line" type="string" string="%syslogfacility-text%.%syslogseverity-text% %programname%:%msg%\n")
$OMUxSockSocket ${forwarded}
:programname, isequal, "forward" :omuxsock:;line
& stop
action(type="omfile" file="${file}" template="line")
`

const start = () => {
  const args = ['-n', '-i', 'NONE', '-M', programs.imuxsock, '-f', join(server.directory, 'rsyslog.conf')]
  return server.start(programs.rsyslogd, args, async () => {
    const socket = await bindDatagram()
    try {
      await socket.sendAndWait('<14>ready: yes', { to: path })
      return true
    } finally {
      socket.destroy()
    }
  })
}

/** The lines that rsyslogd has written for a program, without its name. */
function linesOf(program) {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap(line => {
    const [, priority, name, text] = /^(\S+) ([^:]+): ?(.*)$/.exec(line) ?? []
    return name === program ? [`${priority} ${text}`] : []
  })
}

const written = (program, count) =>
  eventually(`${count} lines of ${program}`, () => linesOf(program).length >= count)

const numbered = (count, priority, text) =>
  Array.from({ length: count }, (_, number) => `${priority} ${text} ${number}`)

test.before(async () => {
  if (Object.values(programs).includes(undefined)) return
  server = new ServerProgram('root')
  path = join(server.directory, 's')
  file = join(server.directory, 'lines')
  forwarded = join(server.directory, 'f')
  writeFileSync(join(server.directory, 'rsyslog.conf'), configuration())
  await start()
})

test.after.always(() => server?.remove('SIGKILL'))

leavesNoDescriptors(test.serial)

withRsyslog('rsyslogd writes every line, in order, though it is slower than its sender', async t => {
  t.timeout(60_000)
  const socket = await bindDatagram()
  await socket.connect(path)
  const count = 5000
  for (let number = 0; number < count; number++) socket.send(`<11>connected: line ${number}`)
  await socket.close()
  const unconnected = await bindDatagram()
  for (let number = 0; number < count; number++)
    unconnected.send(`<30>addressed: line ${number}`, { to: path })
  await unconnected.close()
  await written('addressed', count)
  t.deepEqual(linesOf('connected'), numbered(count, 'user.err', 'line'))
  t.deepEqual(linesOf('addressed'), numbered(count, 'daemon.info', 'line'))
})

for (const protocol of ['unix', 'unix-connect'])
  withRsyslog(`rsyslogd writes what winston-syslog logs (${protocol})`, async t => {
    t.timeout(60_000)
    const winston = require('winston')
    const { Syslog } = require('winston-syslog')
    const transport = new Syslog({ protocol, path, app_name: protocol, localhost: null, eol: '' })
    const errors = []
    transport.on('error', error => errors.push(error))
    const logger = winston.createLogger({ levels: winston.config.syslog.levels, transports: [transport] })
    const count = 500
    for (let number = 0; number < count; number++) logger.warning(`line ${number}`)
    await written(protocol, count)
    for (const [number, line] of linesOf(protocol).entries())
      t.true(line.startsWith('local0.warning ') && line.includes(`line ${number}`), line)
    const closed = once(transport, 'closed')
    logger.close()
    await closed
    t.deepEqual(errors, [])
  })

withRsyslog('rsyslogd writes the lines of the example syslog.js', async t => {
  t.is(await printed(projectWithExamples(t), 'examples/syslog.js', path), '')
  await written('example', 2)
  t.deepEqual(linesOf('example'), ['user.info it runs', 'user.err nothing went wrong'])
})

withRsyslog('rsyslogd sends lines to a socket of ours', async t => {
  const receiver = await bindDatagram(forwarded)
  t.teardown(() => receiver.destroy())
  const messages = []
  receiver.on('message', message => messages.push(String(message)))
  const sender = await bindDatagram()
  for (let number = 0; number < 100; number++)
    await sender.sendAndWait(`<14>forward: line ${number}`, { to: path })
  await sender.close()
  await eventually('all', () => messages.length === 100)
  t.deepEqual(
    messages,
    numbered(100, 'user.info', 'forward: line').map(line => `${line}\n`),
  )
})

withRsyslog('a line that is sent while rsyslogd restarts fails alone, and the next ones arrive', async t => {
  t.timeout(110_000)
  const socket = await bindDatagram()
  t.teardown(() => socket.destroy())
  await socket.connect(path)
  await socket.sendAndWait('<14>restarts: before')
  await written('restarts', 1)
  await server.stop('SIGTERM')
  t.true(['ECONNREFUSED', 'ENOENT'].includes(await codeOf(socket.sendAndWait('<14>restarts: lost'))))
  await start()
  await socket.sendAndWait('<14>restarts: after')
  await written('restarts', 2)
  t.deepEqual(linesOf('restarts'), ['user.info before', 'user.info after'])
})
