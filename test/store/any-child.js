// A child process that runs the code it is given.
new Function('process', process.argv[2])(process);
