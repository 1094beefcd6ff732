// Loaded before each test file: on SIGUSR2 (sent by run.ts to a process that does not end) it says
// what keeps the process open, and ends it.
process.on('SIGUSR2', () => {
  console.log(`still open: ${process.getActiveResourcesInfo().join(', ')}`);
  process.exit(1);
});
