import { abstractName } from '../../index.js'

/** Returns the path of a program's argument: see `argument()` in helpers/streams.ts. */
export const address = text => (text.startsWith('@') ? abstractName(Buffer.from(text.slice(1), 'hex')) : text)
