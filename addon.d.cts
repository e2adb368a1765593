/** The addon, if it was loaded. */
export declare const native: typeof import('./binding.cjs') | undefined
/** The errors of the attempts to load it, in their order. */
export declare const attempts: readonly Error[]
