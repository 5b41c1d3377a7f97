/** Changed by `npm run demo` between its two deployments, so that each version answers differently. */
export const greeting = "Hello";
