// How much an object keeps: the lengths of the arrays that it has of its own, under whatever name.
export function sizesOn(of: object): number[] {
  return Reflect.ownKeys(of).flatMap((key) => {
    const value = Reflect.get(of, key) as unknown;
    return Array.isArray(value) ? [value.length] : [];
  });
}
