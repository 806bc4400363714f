#ifndef PUT_C_H
#define PUT_C_H

/* Opens what put_c_chunk() needs; 0 if it cannot be measured. */
int put_c_open(void);

/* Nanoseconds per put of a chunk. */
double put_c_chunk(void);

void put_c_close(void);

#endif
