import commonjs from '@rollup/plugin-commonjs'
import { nodeResolve } from '@rollup/plugin-node-resolve'

export default {
  input: 'program.mjs',
  // Top-level await in an ES module, in which the addon's package is the only thing that is required.
  output: {
    file: 'out-rollup/program.mjs',
    format: 'es',
    banner: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
  },
  plugins: [nodeResolve(), commonjs({ ignore: id => id.endsWith('.node') || id.startsWith('udsock-') })],
}
