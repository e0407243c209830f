/* argv to command, nothing else. */
int main(void)
{
    return 0;
}
