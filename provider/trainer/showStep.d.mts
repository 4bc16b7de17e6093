export function showStep<T>(what: string, work: () => Promise<T>): Promise<T>;
