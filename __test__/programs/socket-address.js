import { abstractName } from '../../index.js'

/** The path that a test passed as an argument. */
export const address = text => (text.startsWith('@') ? abstractName(Buffer.from(text.slice(1), 'hex')) : text)
