// Rows of modules, from the top; true is dark.

export type Matrix = readonly (readonly boolean[])[];
