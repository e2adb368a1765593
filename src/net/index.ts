/**
 * Drop-in for node:net on paths: the same classes, arguments, events, options, defaults and errors, so that replacing the
 * import is the whole migration. What differs is listed in the README. Source: the net module of Node's documentation.
 */
import * as members from './members.js'

export * from './members.js'

/** For `import net from`: an object of its own, which tests may stub. */
export default { ...members }
