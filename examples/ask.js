// Sends a message to the service of daemon.js and prints the answer: `node examples/ask.js [path] [text]`
import { connect, FramedSocket } from 'udsock'

const [path = 'daemon.sock', text = 'hello'] = process.argv.slice(2)
const messages = new FramedSocket(await connect(path, { timeout: 1000 }))
messages.end(text)
for await (const answer of messages) console.log(String(answer))
