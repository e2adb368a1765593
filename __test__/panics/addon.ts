import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** The addon that `npm run test:panics` builds. */
export const addonPath = fileURLToPath(new URL('../../target/panics/udsock.node', import.meta.url))

// The package's loader, and that of the programs started here, takes this addon instead of the package's own, so this module is imported
// before the package. It is not in the environment of all tests, because the tests' own tools have such loaders.
process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = addonPath

interface Panics {
  wantPanic(place: string, times: number): void
  wantedPanics(): number
}

const addon = createRequire(import.meta.url)(addonPath) as Panics

/** Makes the next `times` passes of `place` panic. */
export function panicIn(place: string, times = 1): void {
  addon.wantPanic(place, times)
}

/** Whether as many panics happened as were wanted. */
export function panicked(): boolean {
  return addon.wantedPanics() === 0
}
