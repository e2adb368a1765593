// A socket for the members of a group: `node examples/group.js [path] [gid]`
//
// The file's mode and group decide who can open it, and `allow` checks each connection.
import { chown } from 'node:fs/promises'
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'group.sock'
const gid = Number(process.argv[3] ?? process.getegid())

// Until the file has its group, only this user can connect.
const listener = await listen(path, {
  mode: 0o660,
  allow: { uids: [process.geteuid()], gids: [gid] },
  onExisting: 'replaceStale',
  unlinkOnClose: true,
})
await chown(path, process.geteuid(), gid)

const client = await connect(path, { timeout: 1000 })
client.end()
const server = await listener.accept()
server.end(server.peer.gid === gid ? 'a member\n' : 'the user\n')
for await (const chunk of client) process.stdout.write(chunk)
await listener.close()
