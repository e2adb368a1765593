// Writes to the system's log, in the format of syslog(3): `node examples/syslog.js [path]`
import { bindDatagram } from 'udsock'

const path = process.argv[2] ?? '/dev/log'
const severities = { error: 3, warning: 4, info: 6, debug: 7 }
/** The facility `user`. */
const facility = 1

const socket = await bindDatagram()
// A socket that is connected to a path connects again when the log's server was restarted.
await socket.connect(path)

/** Resolves when the kernel has the line: a server that is slow makes it wait. */
function log(severity, text) {
  const priority = facility * 8 + severities[severity]
  return socket.sendAndWait(`<${priority}>example[${process.pid}]: ${text}`)
}

await log('info', 'it runs')
await log('error', 'nothing went wrong')
await socket.close()
