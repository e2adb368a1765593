// Arguments: a path, and options as JSON. Listens and closes; prints the outcome, and how many more descriptors are open.
import './settled.js'
import { readdirSync } from 'node:fs'
import { listen } from '../../index.js'

// So that there are permissions to add.
process.umask(0o077)
const [path, options] = process.argv.slice(2)
const descriptors = () => readdirSync('/proc/self/fd').length
// The package's own descriptors are opened by a first use.
await listen(path, JSON.parse(options)).catch(() => {})
const before = descriptors()
const outcome = await listen(path, JSON.parse(options)).then(
  () => 'listening',
  error => error.code,
)
console.log(JSON.stringify({ outcome, leaked: descriptors() - before }))
process.exit()
