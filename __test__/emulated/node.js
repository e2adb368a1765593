// Prepares a process that runs under an emulator. Its own program cannot be started again, the emulator's can; and Node itself
// reads TypeScript, because the tests' loader has no addon for this processor.
import { registerHooks } from 'node:module'

process.execPath = process.env.UDSOCK_NODE

/** The tests import './helpers.js', as TypeScript requires, while the file is helpers.ts. */
registerHooks({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context)
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND' || !specifier.endsWith('.js')) throw error
      return next(specifier.replace(/\.js$/, '.ts'), context)
    }
  },
})
