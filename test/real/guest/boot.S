# A guest of one sector: boots in a second, lives on the serial line, keeps writing to its disk, sleeps in between.
#
# Started by a BIOS from disk or CD-ROM. Prints `bothy-guest ready` on COM1 and on the screen, echoes what COM1
# receives, and every PERIOD clock ticks (18 a second) makes WRITES writes of SECTORS sectors to the first disk, from
# LBA 2048 on, round and round. About once a second it prints `tick N` (hex, counts the writes); `disk error NN` tells a
# failed one. It knows no ACPI, so it ignores a shutdown request. Assembled by boot-guest.ts.
.code16
.globl _start
.set COM1, 0x3f8
.set FIRST_LBA, 2048

_start:
    ljmp $0, $1f
1:  xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    sti
    cld

    movw $(serial_setup), %si           # 115200 baud, 8N1, FIFO
    movw $7, %cx
1:  lodsb
    movzbw %al, %dx
    addw $COM1, %dx
    lodsb
    outb %al, %dx
    loop 1b

    movw $ready, %si
    call print

    movb $0x48, %ah                     # size of the first disk; 0 if there is none
    movb $0x80, %dl
    movw $parameters, %si
    movw $0x1a, (%si)
    int $0x13
    jc main
    movl parameters+16, %eax
    subl $(SECTORS), %eax
    movl %eax, last_lba

main:
    hlt
    call echo
    movw 0x46c, %ax                     # the BIOS clock
    cmpw %ax, clock
    je main
    movw %ax, clock
    cmpl $FIRST_LBA, last_lba
    jbe main
    decb until_write
    jnz 2f
    movb $PERIOD, until_write
    movw $WRITES, %cx
1:  pushw %cx
    call write
    popw %cx
    loop 1b
2:  decb until_tick
    jnz main
    movb $18, until_tick
    movw $tick, %si
    call print
    movl count, %eax
    call print_hex
    jmp main

write:
    pushw $0x1000                       # the sectors begin with the count of this write
    popw %es
    movl count, %eax
    movl %eax, %es:0
    pushw %ds
    popw %es
    movw $packet, %si
    movw $0x4300, %ax
    movb $0x80, %dl
    int $0x13
    jc failed
    incl count
    movl packet+8, %eax
    addl $(SECTORS), %eax
    cmpl last_lba, %eax
    jbe 1f
    movl $FIRST_LBA, %eax
1:  movl %eax, packet+8
    ret
failed:
    pushw %ax
    movw $error, %si
    call print
    popw %ax
    movzbl %ah, %eax

print_hex:                              # eax
    movw $8, %cx
1:  roll $4, %eax
    pushl %eax
    andb $15, %al
    cmpb $10, %al
    sbbb $0x69, %al
    das
    call put
    popl %eax
    loop 1b
    movw $newline, %si

print:                                  # ds:si, ended by 0
    lodsb
    testb %al, %al
    jz 2f
    call put
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    jmp print

echo:
    movw $COM1+5, %dx
    inb %dx, %al
    incb %al                            # 0xff: no serial line
    jz 2f
    testb $1, %al                       # lowest bit is now 0 where a byte has come
    jnz 2f
    movw $COM1, %dx
    inb %dx, %al
    call put
    jmp echo

put:                                    # al to COM1
    pushw %dx
    pushw %ax
    movw $COM1+5, %dx
1:  inb %dx, %al
    testb $0x20, %al
    jz 1b
    popw %ax
    movw $COM1, %dx
    outb %al, %dx
    popw %dx
2:  ret

serial_setup:  .byte 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 3, 2, 7, 4, 3
ready:         .ascii "bothy-guest ready"
newline:       .asciz "\r\n"
tick:          .asciz "tick "
error:         .asciz "disk error "
until_write:   .byte PERIOD
until_tick:    .byte 18
packet:        .word 0x10, SECTORS, 0, 0x1000
               .long FIRST_LBA, 0
count:         .long 0
clock:         .word 0
last_lba:      .long 0
.org 510
.word 0xaa55
parameters:                             # behind the loaded sector
