import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('../..', import.meta.url))
const lines = readFileSync(join(root, 'SECURITY.md'), 'utf8').split('\n')
const promised = lines.slice(lines.indexOf('## What is promised'), lines.indexOf('## What is not promised'))

/** What stands in a test file as titles or, in Rust, names of tests. */
function titles(file: string): string {
  const source = readFileSync(join(root, file), 'utf8')
  return file.endsWith('.rs') ? source.replace(/^(?! *(?:async )?fn ).*$/gm, '') : source
}

test('every test that SECURITY.md names is there', t => {
  const named = promised.map(line => /^ {2}- `([^`]+)`: (.+)$/.exec(line)).filter(match => match !== null)
  t.true(named.length > 50)
  for (const [, file, title] of named) t.true(titles(file!).includes(title!), `${file}: ${title}`)
})

test('every promise of SECURITY.md names a test', t => {
  let open: string | undefined
  for (const line of promised) {
    if (line.startsWith('  - `')) open = undefined
    else if (line.startsWith('- ')) {
      t.is(open, undefined)
      open = line
    }
  }
  t.is(open, undefined)
})
