import test from 'ava'
import { changesOf } from '../../scripts/release.js'
import { unpinned } from '../../scripts/workflows.js'

const changelog = `# Changelog

## [Unreleased]

more

## [1.2.0] - 2026-01-02

### Fixed

- this

[1.2.0]: https://example.com
`

test("a version's section of the changelog ends at the next one, without links", t => {
  t.deepEqual(changesOf('1.2.0', changelog), { title: '[1.2.0] - 2026-01-02', text: '### Fixed\n\n- this' })
  t.deepEqual(changesOf('Unreleased', changelog), { title: '[Unreleased]', text: 'more' })
  t.is(changesOf('1.2', changelog), undefined)
})

test('an action is pinned by a hash whose release stands beside it', t => {
  const hash = '0123456789'.repeat(4)
  const lines = [
    `      - uses: actions/checkout@${hash} # v6.0.2`,
    '    uses: ./.github/workflows/ci.yml',
    '      - uses: actions/checkout@v6',
    `        uses: actions/checkout@${hash}`,
  ]
  t.deepEqual(unpinned(lines.join('\n')), lines.slice(2))
})
