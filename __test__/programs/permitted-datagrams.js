// Binds a socket for datagrams at the path that the argument gives, and sends to it; prints both errors in JSON. It is started under
// Node's permission model.
import { bindDatagram } from '../../index.js'

const [path] = process.argv.slice(2)
const told = ({ code, permission, resource, syscall, message }) => ({
  code,
  permission,
  resource,
  syscall,
  message,
})
const client = await bindDatagram()
const bind = await bindDatagram(path).catch(told)
const send = await client.sendAndWait('', { to: path }).catch(told)
await client.close()
console.log(JSON.stringify({ bind, send }))
