// Obeys its input, line by line: `listen PATH OPTIONS` (JSON), `close`, `exit`. Every connection is echoed, or ends when
// the client ends. Prints the outcome of each: `listening`, an error's code, `closed`.
import { createInterface } from 'node:readline'
import { listen } from '../../index.js'

let listener

async function serve(own) {
  for await (const socket of own) socket.on('error', () => {}).pipe(socket)
}

const deeds = {
  async listen(path, options) {
    listener = await listen(path, JSON.parse(options))
    void serve(listener)
    return 'listening'
  },
  async close() {
    await listener.close()
    return 'closed'
  },
  exit: () => process.exit(),
}

for await (const line of createInterface(process.stdin)) {
  const [deed, ...rest] = line.split(' ')
  console.log(await deeds[deed](...rest).catch(error => error.code))
}
