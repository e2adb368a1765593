/** The addon, if it was loaded. */
export declare const native: typeof import('./binding.cjs') | undefined
/** Why it was not loaded. */
export declare const failure: unknown
