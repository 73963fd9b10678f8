import { ReplicastPlugin } from "./plugin.ts";

// Both for `import` and for frameworks that take what `require` gives as the plugin.
export { ReplicastPlugin as default, ReplicastPlugin as "module.exports" };
