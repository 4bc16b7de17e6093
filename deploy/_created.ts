/** The contracts that constructors create: by the creator's name, and the view that returns the address. */
export const CREATED: Readonly<Record<string, Readonly<Record<string, "Rules">>>> = {
  FineTuningServing: { rules: "Rules" },
};
