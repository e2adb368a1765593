/** Whether the addon could be loaded, as a public constant. */
import { native } from './internal/native.js'

/** Whether this platform and build can open Unix-domain sockets. A constant; importing the package never throws. */
export const isSupported: boolean = native !== undefined
