// AVA on any runtime. When it ends it takes V8's coverage, which Bun and Deno refuse with an exception.
import v8 from 'node:v8'

if (process.versions.bun !== undefined || process.versions.deno !== undefined) v8.takeCoverage = () => {}
await import(new URL('cli.mjs', import.meta.resolve('ava')).href)
