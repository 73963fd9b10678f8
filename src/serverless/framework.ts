/**
 * What the plugin uses of the framework it runs in: of Serverless 3 and 4 and of osls 3 and 4, which do not agree in everything.
 * https://www.serverless.com/framework/docs/guides/plugins/creating-plugins
 */
export interface Framework {
  readonly service: {
    readonly service?: string | null | undefined;
    /** As written, variables resolved. */
    readonly custom?: unknown;
  };
  /** Where the service's files are. */
  readonly serviceDir?: string | undefined;
  readonly configSchemaHandler?: { readonly defineCustomProperties: (schema: object) => void } | undefined;
  readonly classes?: { readonly Error?: FrameworkErrorClass | undefined } | undefined;
  readonly getProvider: (name: "aws") => AwsProvider | null | undefined;
}

/** An error of this class is printed without a stack. */
export type FrameworkErrorClass = new (message: string, code: string) => Error;

export interface AwsProvider {
  readonly getRegion: () => string;
  readonly getStage: () => string;
  /** All but osls 4, where it throws. What it gives is another thing in each. */
  readonly getCredentials?: (() => unknown) | undefined;
  /** Osls from its third line on. */
  readonly getAwsSdkV3Config?: (() => unknown) | undefined;
}

/** The third argument of a plugin. Its functions need their `this`. */
export interface FrameworkUtils {
  readonly log: {
    readonly notice: (text: string) => void;
    readonly warning: (text: string) => void;
  };
  readonly progress: { readonly create: (options: { readonly message: string }) => Progress };
  /** To stdout. */
  readonly writeText: (text: string) => void;
}

export interface Progress {
  readonly update: (message: string) => void;
  readonly remove: () => void;
}

/** A command as the framework reads it from a plugin. */
export interface PluginCommand {
  readonly usage: string;
  readonly lifecycleEvents?: readonly string[];
  readonly commands?: Readonly<Record<string, PluginCommand>>;
  readonly options?: Readonly<Record<string, { readonly usage: string; readonly type: "boolean" | "string" }>>;
}
