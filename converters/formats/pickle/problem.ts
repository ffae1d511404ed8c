/** What is wrong with a pickle; whoever runs it adds the file and the place and throws a UserError. */
export class PickleProblem extends Error {}

/** The bytes ended before the pickle did. More of the file may mend it. */
export class PickleCut extends PickleProblem {}
